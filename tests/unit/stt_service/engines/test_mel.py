from __future__ import annotations

import numpy as np
import pytest
from faster_whisper.feature_extractor import FeatureExtractor

from audio.resample import resample
from stt_service.engines.mel import HOP, RATE_HZ, LogMel
from tests.unit.stt_service.speech import clips


@pytest.mark.parametrize("bands", [80, 128])
@pytest.mark.parametrize("length", [0, 1, 159, 160, 3_210, 29_999])
def test_the_frames_are_those_that_whisper_was_trained_on(bands: int, length: int) -> None:
    speech = resample(clips("af_heart/02.wav")[0].samples, 8_000, RATE_HZ)[4_000 : 4_000 + length]
    count = -(-length // HOP) + 200
    padded = np.pad(speech, (0, count * HOP - length))
    expected = FeatureExtractor(feature_size=bands)(padded, padding=0)
    found = LogMel(bands).frames(speech, count)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=2e-3)
