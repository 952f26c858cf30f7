"""One phrase with one engine: as frames, in turn, in time, and with errors that say whose they are."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import pytest

from runtime.clock import SystemClock
from tests.unit.tts_service.scripted import ScriptedEngine, at
from tts_service.cache import Stretch
from tts_service.engines.synthetic import VOICE, SyntheticEngine
from tts_service.errors import EngineFault, EngineTimeout, UnknownVoice
from tts_service.ports import Phrase
from tts_service.recording import Recorder
from tts_service.scheduling import Turns


def recording(
    engine: ScriptedEngine, turns: Turns | None = None, timeout_s: float = 5.0
) -> AsyncGenerator[Stretch, None]:
    recorder = Recorder(turns or Turns(1, SystemClock()), SystemClock(), timeout_s)
    return recorder.record("one", engine, Phrase("Hello.", "anna"), at(0.0))


async def test_it_gives_whole_frames_and_the_time_they_took() -> None:
    stretches = [stretch async for stretch in recording(ScriptedEngine(3))]
    assert [len(stretch.frames) for stretch in stretches] == [800, 800, 800, 0]
    assert all(stretch.made_ms >= 0 and not stretch.cached for stretch in stretches)


async def test_the_turn_is_given_back_between_chunks() -> None:
    turns = Turns(1, SystemClock())
    stretches = recording(ScriptedEngine(), turns)
    await anext(stretches)
    async with asyncio.timeout(1), turns.turn(at(9.0)):
        pass
    await stretches.aclose()


async def test_closing_it_closes_the_engine() -> None:
    engine = ScriptedEngine()
    stretches = recording(engine)
    await anext(stretches)
    await stretches.aclose()
    assert (engine.made, engine.closed) == (1, 1)


async def test_an_engine_that_hangs_is_a_timeout_and_its_turn_is_free() -> None:
    turns = Turns(1, SystemClock())
    engine = ScriptedEngine(gate=asyncio.Semaphore(1))
    stretches = recording(engine, turns, timeout_s=0.02)
    await anext(stretches)
    with pytest.raises(EngineTimeout, match=r"one made nothing within 0\.02 s") as caught:
        await anext(stretches)
    assert caught.value.retryable
    assert engine.closed == 1
    async with asyncio.timeout(1), turns.turn(at(9.0)):
        pass


async def test_what_an_engine_should_not_raise_is_a_fault_that_names_it() -> None:
    with pytest.raises(EngineFault, match=r"one failed: RuntimeError: out of breath"):
        _ = [stretch async for stretch in recording(ScriptedEngine(fails_at=1))]


async def test_the_engines_own_errors_come_through() -> None:
    refused = ScriptedEngine(fails_at=0, error=EngineFault("Piper failed: no breath"))
    with pytest.raises(EngineFault, match=r"^Piper failed"):
        _ = [stretch async for stretch in recording(refused)]
    recorder = Recorder(Turns(1, SystemClock()), SystemClock(), 1.0)
    with pytest.raises(UnknownVoice):
        await anext(
            recorder.record("tone", SyntheticEngine(SystemClock(), 100, 0), Phrase("a", f"{VOICE}2"), at(0))
        )
