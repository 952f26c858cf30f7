"""One phrase with one engine: as frames, in turn, in time, and with errors that say whose they are."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence

import numpy as np
import pytest

from audio.g711 import decode_mulaw_float
from runtime.clock import SystemClock
from runtime.tasks import TaskOwner
from tests.support.waiting import eventually
from tests.unit.tts_service.scripted import ScriptedEngine, ScriptedUtterance, at
from tts_service.cache import Stretch
from tts_service.engines.synthetic import SyntheticEngine
from tts_service.errors import EngineFault, EngineTimeout, UnknownVoice
from tts_service.ports import Pcm, Phrase, Synthesizer
from tts_service.recording import Recorder
from tts_service.scheduling import Turns


@pytest.fixture
async def turns() -> AsyncIterator[Turns]:
    tasks = TaskOwner("test")
    yield Turns(1, SystemClock(), tasks)
    await tasks.close()


def recording(engine: Synthesizer, turns: Turns, timeout_s: float = 5.0) -> AsyncGenerator[Stretch, None]:
    recorder = Recorder(turns, SystemClock(), timeout_s=timeout_s)
    return recorder.record("one", engine, Phrase("Hello.", "anna"), at(0.0))


async def said(engine: Synthesizer, turns: Turns) -> list[Stretch]:
    async with asyncio.timeout(30):
        return [stretch async for stretch in recording(engine, turns)]


async def test_it_gives_whole_frames_and_the_time_they_took(turns: Turns) -> None:
    stretches = await said(ScriptedEngine(3), turns)
    assert [len(stretch.frames) for stretch in stretches] == [800, 800, 800, 0]
    assert all(stretch.made_ms >= 0 and not stretch.cached for stretch in stretches)


async def test_a_long_chunk_is_fitted_by_the_second(turns: Turns) -> None:
    """What comes of it must not hold up other calls' frames."""
    noise = np.random.default_rng(1).uniform(-0.5, 0.5, 20_010).astype(np.float32)

    class Long(ScriptedEngine):
        async def advance(self, utterances: Sequence[ScriptedUtterance]) -> list[Pcm | None]:
            await super().advance(utterances)
            return [Pcm(noise, 8_000)]

    stretches = await said(Long(1), turns)
    assert [len(stretch.frames) for stretch in stretches] == [8_000, 8_000, 4_000, 160]
    assert [stretch.made_ms > 0 for stretch in stretches] == [True, False, False, False]
    sound = decode_mulaw_float(b"".join(stretch.frames for stretch in stretches))[: len(noise)]
    assert np.corrcoef(sound, noise)[0, 1] > 0.99


async def test_a_step_without_sound_is_passed_over(turns: Turns) -> None:
    class Silent(ScriptedEngine):
        async def advance(self, utterances: Sequence[ScriptedUtterance]) -> list[Pcm | None]:
            return [None if self.made == 2 else made for made in await super().advance(utterances)]

    assert [len(stretch.frames) for stretch in await said(Silent(3), turns)] == [800, 800, 0]


async def test_who_has_heard_nothing_yet_goes_before_who_has_a_chunk_to_listen_to(turns: Turns) -> None:
    gate = asyncio.Semaphore(0)
    engine = ScriptedEngine(2, gate=gate)
    recorder = Recorder(turns, SystemClock())

    async def say(text: str) -> None:
        async for _ in recorder.record("one", engine, Phrase(text, "anna"), at(0.0)):
            pass

    both = asyncio.gather(say("First."), say("Second."))
    await eventually(lambda: len(engine.asked) == 2, "both to wait")
    for _ in range(4):
        gate.release()
    await both
    assert engine.runs == [["First."], ["Second."], ["First."], ["Second."]]


async def test_the_turn_is_given_back_between_chunks(turns: Turns) -> None:
    stretches = recording(ScriptedEngine(), turns)
    await anext(stretches)
    await said(ScriptedEngine(), turns)
    await stretches.aclose()


async def test_closing_it_stops_the_engine(turns: Turns) -> None:
    engine, other = ScriptedEngine(), ScriptedEngine()
    stretches = recording(engine, turns)
    await anext(stretches)
    await stretches.aclose()
    await said(other, turns)
    assert (engine.made, other.made) == (1, 3)


async def test_an_engine_that_hangs_is_a_timeout_and_its_turn_is_free(turns: Turns) -> None:
    engine = ScriptedEngine(gate=asyncio.Semaphore(1))
    stretches = recording(engine, turns, timeout_s=0.02)
    await anext(stretches)
    with pytest.raises(EngineTimeout, match=r"one made nothing within 0\.02 s") as caught:
        await anext(stretches)
    assert caught.value.retryable
    assert len(await said(ScriptedEngine(), turns)) == 4


async def test_what_an_engine_should_not_raise_is_a_fault_that_names_it(turns: Turns) -> None:
    with pytest.raises(EngineFault, match=r"one failed: RuntimeError: out of breath"):
        await said(ScriptedEngine(fails_at=1), turns)


async def test_the_engines_own_errors_come_through(turns: Turns) -> None:
    refused = ScriptedEngine(fails_at=0, error=EngineFault("Piper failed: no breath"))
    with pytest.raises(EngineFault, match=r"^Piper failed"):
        await said(refused, turns)
    with pytest.raises(UnknownVoice):
        await said(SyntheticEngine(SystemClock(), 100, 0), turns)
