"""What the engines share: chunks by the second, and one loudness."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from tts_service.engines.inference import gain_to_speech_level, stream


async def test_a_long_chunk_is_given_out_by_the_second() -> None:
    samples = np.arange(20_000, dtype=np.float32)
    with ThreadPoolExecutor(1) as executor:
        parts = [pcm async for pcm in stream(iter([samples, samples[:5]]), 8_000, executor)]
    assert [len(pcm.samples) for pcm in parts] == [8_000, 8_000, 4_000, 5]
    assert np.array_equal(np.concatenate([pcm.samples for pcm in parts[:3]]), samples)
    assert {pcm.rate_hz for pcm in parts} == {8_000}


async def test_an_error_of_the_thread_reaches_the_listener() -> None:
    def broken():  # type: ignore[no-untyped-def]  # a generator that fails
        yield np.zeros(10, np.float32)
        raise ValueError("in the thread")

    with ThreadPoolExecutor(1) as executor:
        chunks = stream(broken(), 8_000, executor)
        assert len((await anext(chunks)).samples) == 10
        with pytest.raises(ValueError, match="in the thread"):
            await anext(chunks)


@pytest.mark.parametrize("loudness", [0.01, 0.3])
def test_pauses_do_not_count_for_the_level(loudness: float) -> None:
    speech = loudness * np.sin(np.arange(16_000, dtype=np.float32))
    gain = gain_to_speech_level(np.concatenate([speech, np.zeros(40_000, np.float32)]), 16_000)
    assert np.sqrt(np.square(speech * gain).mean()) == pytest.approx(0.1, rel=0.05)


def test_silence_is_left_as_it_is() -> None:
    assert gain_to_speech_level(np.zeros(1_000, np.float32), 8_000) == 1.0
