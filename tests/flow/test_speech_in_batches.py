"""Several calls at once at one engine that makes what waits in one run: each is told its own, and one call's
interruption or failure is no other's.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from contracts.identities import CallRef
from contracts.messages import EngineFailed, Outcome, SentenceSynthesized, SpeechStarted
from tests.support.waiting import eventually
from tests.unit.tts_service.scripted import ScriptedEngine, factory
from tests.unit.tts_service.world import World, assistant, world

_ONE_SLOT: dict[str, Any] = {
    "tts_engine_slots": 1,
    "tts_warm_phrases": 0,
    "tts_wait_budget_s": 60.0,  # how long the gate was shut does not count
}


def _text(number: int) -> str:
    return f"You are caller {number}."


async def _wait_together(now: World, engine: ScriptedEngine, calls: int) -> list[CallRef]:
    """So many calls of two tenants, each with a sentence; the first one's is being made, the others wait."""
    refs = [
        await now.call(assistant("one", voice="anna"), ("acme", "globex")[number % 2])
        for number in range(calls)
    ]
    await now.say(refs[0], 1, _text(0))
    await eventually(lambda: engine.runs == [[_text(0)]], "the first one's run")
    for number, ref in enumerate(refs[1:], 1):
        await now.say(ref, 1, _text(number))
    await eventually(lambda: len(engine.asked) == calls, "every sentence at the engine")
    return refs


async def test_an_interrupted_sentence_is_in_no_batch_and_one_that_fails_fails_alone(
    nats_url: str, tmp_path: Path
) -> None:
    gate = asyncio.Semaphore(0)
    engine = ScriptedEngine(together=8, gate=gate, fails_on=_text(5))
    async with world(nats_url, tmp_path, {"one": factory(engine)}, **_ONE_SLOT) as now:
        refs = await _wait_together(now, engine, 6)
        await now.publish(refs[2], SpeechStarted(turn=1, started_us=1, detected_us=2))
        (cut,) = await now.until_said(refs[2], SentenceSynthesized)
        assert cut.outcome is Outcome.CANCELLED
        for _ in range(100):
            gate.release()
        for ref in (refs[0], refs[1], refs[3], refs[4]):
            frames = await now.until_reply_ends(ref, 1)
            assert sum(bool(frame.payload) for frame in frames) == 15
            (report,) = await now.until_said(ref, SentenceSynthesized)
            assert report.outcome is Outcome.DONE
        assert not any(frame.payload for frame in await now.until_reply_ends(refs[5], 1))
        (report,) = await now.until_said(refs[5], SentenceSynthesized)
        assert report.outcome is Outcome.FAILED
        assert [failed.engine for failed in now.said(refs[5], EngineFailed)] == ["one"]
        assert not any(now.said(ref, EngineFailed) for ref in refs[:5])
        assert now.sound(refs[2], 1) == []
    together = [run for run in engine.runs if len(run) > 1]
    assert _text(5) in together[0]
    assert {_text(1), _text(3), _text(4)} <= set(together[0])
    assert not any(_text(2) in run for run in engine.runs)


async def test_a_call_that_is_interrupted_within_a_batch_gets_nothing_of_it(
    nats_url: str, tmp_path: Path
) -> None:
    gate = asyncio.Semaphore(0)
    engine = ScriptedEngine(together=8, gate=gate)
    async with world(nats_url, tmp_path, {"one": factory(engine)}, **_ONE_SLOT) as now:
        refs = await _wait_together(now, engine, 4)
        for _ in range(3):  # the first one's three chunks
            gate.release()
        await eventually(lambda: any(len(run) > 1 for run in engine.runs), "a run of several")
        (batch,) = (run for run in engine.runs if len(run) > 1)
        assert set(batch) >= {_text(1), _text(2), _text(3)}
        await now.publish(refs[2], SpeechStarted(turn=1, started_us=1, detected_us=2))
        (cut,) = await now.until_said(refs[2], SentenceSynthesized)
        assert (cut.outcome, cut.audio_ms) == (Outcome.CANCELLED, 0)
        for _ in range(100):
            gate.release()
        for ref in (refs[0], refs[1], refs[3]):
            assert sum(bool(frame.payload) for frame in await now.until_reply_ends(ref, 1)) == 15
        assert now.sound(refs[2], 1) == []
