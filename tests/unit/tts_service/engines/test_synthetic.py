"""The tone: as long, as late and as high as its settings and its text say."""

from __future__ import annotations

import asyncio

import numpy as np

from tests.support.clock import ManualClock
from tests.unit.tts_service.engines.conftest import chunks_of
from tts_service.engines.synthetic import VOICE, SyntheticEngine
from tts_service.ports import Phrase, Run


async def _tone(engine: SyntheticEngine, text: str) -> np.ndarray:
    return np.concatenate([pcm.samples async for pcm in chunks_of(engine, Phrase(text, VOICE))])


async def test_it_is_as_long_as_was_set_and_always_the_same() -> None:
    engine = SyntheticEngine(ManualClock(), 1000, 0)
    first, again = await _tone(engine, "Hello."), await _tone(engine, "Hello.")
    assert len(first) == 8000
    assert np.array_equal(first, again)


async def test_different_texts_have_different_pitches() -> None:
    engine = SyntheticEngine(ManualClock(), 1000, 0)
    pitches = {
        int(abs(np.fft.rfft(await _tone(engine, text))).argmax())
        for text in ("Yes.", "No.", "Maybe.", "Hello.")
    }
    assert len(pitches) == 4
    assert all(300 <= pitch <= 1000 for pitch in pitches)


async def test_the_first_chunk_waits_as_long_as_was_set() -> None:
    clock = ManualClock()
    stream = chunks_of(SyntheticEngine(clock, 1000, 250), Phrase("Hello.", VOICE))
    first = asyncio.ensure_future(anext(stream))
    await clock.advance(0.249)
    assert not first.done()
    await clock.advance(0.001)
    assert len((await first).samples) == 1600
    await stream.aclose()


async def test_phrases_of_one_run_wait_once() -> None:
    clock = ManualClock()
    engine = SyntheticEngine(clock, 1000, 250, together=3)
    tones = [engine.begin(Phrase(text, VOICE)) for text in ("One.", "Two.", "Three.")]
    assert {tone.run for tone in tones} == {Run(True, 3)}
    first = asyncio.ensure_future(engine.advance(tones))
    await clock.advance(0.25)
    assert all(pcm is not None for pcm in await first)
    assert {tone.run for tone in tones} == {Run(False, 3)}
