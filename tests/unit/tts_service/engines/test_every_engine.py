"""What every engine promises: one suite, run against each of them."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.unit.tts_service.engines.conftest import Stand
from tts_service.engines import ENGINES
from tts_service.errors import UnknownVoice
from tts_service.ports import Phrase

_SENTENCE = "We are open on Monday, can you come then?"


async def speak(stand: Stand, text: str, speed: float = 1.0) -> NDArray[np.float32]:
    chunks = [np.zeros(0, np.float32)]
    async with aclosing(stand.engine.synthesize(Phrase(text, stand.voice, speed))) as stream:
        async for pcm in stream:
            assert pcm.rate_hz == stand.rate_hz
            assert pcm.samples.dtype == np.float32
            chunks.append(pcm.samples)
    return np.concatenate(chunks)


async def test_it_speaks_audibly_and_for_a_plausible_time(stand: Stand) -> None:
    samples = await speak(stand, _SENTENCE)
    seconds = len(samples) / stand.rate_hz
    assert abs(samples).max() <= 1.0
    loud = samples[abs(samples) > 0.02]
    assert 0.05 < np.sqrt(np.square(loud).mean()) < 0.3
    if stand.voice != "tone":
        assert len(_SENTENCE) / 25 < seconds < len(_SENTENCE) / 8


async def test_speed_shortens_what_it_says(stand: Stand) -> None:
    slow, fast = await speak(stand, "Good morning.", 0.8), await speak(stand, "Good morning.", 1.6)
    assert 0.35 < len(fast) / len(slow) < 0.75


@pytest.mark.parametrize("text", ["", "   ", "...", "?!", "😀", "你", "a" * 20, "[[x]]", "x\ty"])
async def test_odd_texts_do_no_harm(stand: Stand, text: str) -> None:
    samples = await speak(stand, text)
    assert np.isfinite(samples).all()
    assert len(samples) < 15 * stand.rate_hz


async def test_a_long_text_is_spoken_to_its_end(stand: Stand) -> None:
    samples = await speak(stand, "On and on it goes. " * (stand.longest // 19))
    if stand.voice != "tone":
        assert len(samples) / stand.rate_hz > stand.longest / 25


async def test_closing_the_stream_stops_the_work(stand: Stand) -> None:
    stream = stand.engine.synthesize(Phrase("Good morning.", stand.voice))
    await anext(stream)
    given = stand.executor.given
    await stream.aclose()
    await asyncio.sleep(0)
    assert await anext(stream, None) is None
    assert stand.executor.given == given


async def test_cancelling_the_listener_stops_the_work(stand: Stand) -> None:
    begun = asyncio.Event()

    async def listen() -> None:
        async for _ in stand.engine.synthesize(Phrase("Good morning.", stand.voice)):
            begun.set()
            await asyncio.Event().wait()

    listener = asyncio.ensure_future(listen())
    await begun.wait()
    given = stand.executor.given
    listener.cancel()
    await asyncio.wait({listener})
    assert listener.cancelled()
    assert stand.executor.given == given


async def test_two_calls_are_served_at_once(stand: Stand) -> None:
    both = await asyncio.gather(speak(stand, "Good morning."), speak(stand, "Good evening."))
    assert all(len(samples) > 0.3 * stand.rate_hz for samples in both)


def test_an_unknown_voice_is_refused_with_those_there_are(stand: Stand) -> None:
    names = [voice.name for voice in stand.engine.voices()]
    with pytest.raises(UnknownVoice) as refused:
        stand.engine.synthesize(Phrase("Hello.", "nobody"))
    assert "'nobody'" in str(refused.value)
    assert all(name in refused.value.mend for name in names)


def test_voices_are_named_once_and_the_default_comes_first(stand: Stand) -> None:
    names = [voice.name for voice in stand.engine.voices()]
    assert len(set(names)) == len(names)
    assert names[0] == stand.voice


def test_every_engine_of_the_table_is_tested_here() -> None:
    assert set(ENGINES) == {"synthetic", "piper", "kokoro"}
