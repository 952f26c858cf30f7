from __future__ import annotations

from pathlib import Path

import pytest

from analytics_service.settings import Settings
from runtime.errors import SettingsError
from runtime.settings import load


def test_the_store_is_embedded_under_home_unless_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TRUNKLINE_HOME", str(tmp_path))
    assert load(Settings).store_url == f"chdb://{tmp_path}/analytics"
    monkeypatch.setenv("TRUNKLINE_ANALYTICS_URL", "clickhouse://db/reports")
    assert load(Settings).store_url == "clickhouse://db/reports"


def test_a_setting_out_of_range_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRUNKLINE_ANALYTICS_BATCH_EVENTS", "0")
    with pytest.raises(SettingsError, match="TRUNKLINE_ANALYTICS_BATCH_EVENTS"):
        load(Settings)
