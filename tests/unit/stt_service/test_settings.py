from __future__ import annotations

import pytest

from runtime.errors import SettingsError
from runtime.settings import load
from stt_service.settings import Settings


def test_lists_are_written_with_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRUNKLINE_STT_PRELOAD", "whisper, synthetic")
    assert load(Settings).stt_preload == ("whisper", "synthetic")
    monkeypatch.setenv("TRUNKLINE_STT_PRELOAD", "")
    assert load(Settings).stt_preload == ()


def test_a_value_that_is_refused_names_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRUNKLINE_STT_PAUSE_MS", "5")
    with pytest.raises(SettingsError, match="TRUNKLINE_STT_PAUSE_MS"):
        load(Settings)
