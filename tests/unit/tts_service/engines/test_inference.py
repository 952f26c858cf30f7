"""What the engines share: sessions, and one loudness."""

from __future__ import annotations

import numpy as np
import pytest

from tts_service.engines.inference import gain_to_speech_level, open_session
from tts_service.errors import EngineMissing


def test_a_device_that_onnxruntime_was_not_built_for_is_refused_with_the_mend(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("onnxruntime.get_available_providers", lambda: ["CPUExecutionProvider"])
    with pytest.raises(EngineMissing, match=r"nothing for the device cuda \(install onnxruntime-gpu"):
        open_session(b"", 1, "cuda")


@pytest.mark.parametrize("loudness", [0.01, 0.3])
def test_pauses_do_not_count_for_the_level(loudness: float) -> None:
    speech = loudness * np.sin(np.arange(16_000, dtype=np.float32))
    gain = gain_to_speech_level(np.concatenate([speech, np.zeros(40_000, np.float32)]), 16_000)
    assert np.sqrt(np.square(speech * gain).mean()) == pytest.approx(0.1, rel=0.05)


def test_silence_is_left_as_it_is() -> None:
    assert gain_to_speech_level(np.zeros(1_000, np.float32), 8_000) == 1.0
