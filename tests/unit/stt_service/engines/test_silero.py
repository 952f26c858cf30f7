from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from models.store import ModelStore
from stt_service.engines.silero import SileroDetector
from stt_service.errors import EngineMissing
from stt_service.ports import RATE_HZ, Samples
from tests.unit.stt_service.speech import Clip, clips, silence


@pytest.fixture(scope="module")
def detector(model_store: ModelStore) -> SileroDetector:
    return SileroDetector(model_store.path("silero-vad"))


def verdicts(detector: SileroDetector, sound: Samples) -> np.ndarray:
    state = detector.initial_state()[None]
    found = []
    for at in range(0, len(sound) - 255, 256):
        probability, state = detector.detect(sound[None, at : at + 256], state)
        found.append(float(probability[0]))
    return np.array(found)


@pytest.mark.parametrize("clip", clips("af_heart/13.wav", "am_michael/03.wav", "bf_emma/18.wav"))
def test_a_voice_is_heard_from_its_beginning_to_its_end(detector: SileroDetector, clip: Clip) -> None:
    line = np.concatenate((silence(1_000), clip.samples[: clip.ends], silence(1_000)))
    voiced = np.flatnonzero(verdicts(detector, line) >= 0.5) * 256 / RATE_HZ
    assert 1.0 <= voiced[0] <= 1.4
    assert abs(voiced[-1] - (1.0 + clip.ends / RATE_HZ)) <= 0.2


def test_noise_is_not_a_voice_however_loud(detector: SileroDetector) -> None:
    for level in (1e-4, 1e-3, 1e-2, 1e-1):
        assert verdicts(detector, silence(1_500, level)).max() < 0.5


def test_a_file_that_is_no_model_names_the_setting(tmp_path: Path) -> None:
    junk = tmp_path / "junk.onnx"
    junk.write_bytes(b"junk")
    with pytest.raises(EngineMissing, match=r"junk\.onnx.*TRUNKLINE_STT_SILERO_MODEL"):
        SileroDetector(junk)


def test_another_model_is_refused(model_store: ModelStore) -> None:
    with pytest.raises(EngineMissing, match="not Silero VAD"):
        SileroDetector(model_store.path("minilm-int8") / "model.onnx")
