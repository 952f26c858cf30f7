"""Whole frames of mu-law, whatever the engine's rate and chunks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from audio.errors import RateError
from audio.g711 import decode_mulaw_float
from tts_service.line import FRAME_BYTES, LineEncoder
from tts_service.ports import Pcm


def _tone(samples: int, rate_hz: int) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * 440 * np.arange(samples) / rate_hz)).astype(np.float32)


@given(
    st.sampled_from([8_000, 16_000, 22_050, 24_000]),
    st.lists(st.integers(0, 3_000), max_size=12),
)
def test_chunks_of_any_size_become_whole_frames_of_the_same_length(rate_hz: int, sizes: list[int]) -> None:
    line = LineEncoder()
    tone = _tone(sum(sizes), rate_hz)
    cuts: NDArray[np.intp] | list[int] = np.cumsum(sizes)[:-1] if sizes else []
    parts = [line.push(Pcm(part, rate_hz)) for part in np.split(tone, cuts)] if sizes else []
    parts.append(line.flush())
    assert all(len(part) % FRAME_BYTES == 0 for part in parts)
    expected = -(-len(tone) * 8_000 // rate_hz)
    assert 0 <= len(b"".join(parts)) - expected < FRAME_BYTES


def test_the_tone_is_still_that_tone_and_the_rest_is_silence() -> None:
    line = LineEncoder()
    sound = decode_mulaw_float(line.push(Pcm(_tone(22_050 + 100, 22_050), 22_050)) + line.flush())
    spectrum = abs(np.fft.rfft(sound[:8_000]))
    assert spectrum.argmax() == 440
    assert abs(sound[-100:]).max() < 0.001


def test_nothing_in_nothing_out() -> None:
    assert LineEncoder().flush() == b""


def test_a_rate_that_is_not_carried_is_refused() -> None:
    with pytest.raises(RateError, match="11025"):
        LineEncoder().push(Pcm(_tone(10, 11_025), 11_025))


def test_what_is_too_loud_is_clipped() -> None:
    frames = LineEncoder().push(Pcm(np.full(160, 3.0, np.float32), 8_000))
    assert decode_mulaw_float(frames).min() > 0.9
