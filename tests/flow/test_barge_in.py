"""The caller speaks while the agent does: the agent stops, and memory keeps what was heard."""

from __future__ import annotations

from pathlib import Path

from contracts.messages import Outcome, PlayoutEnded, PlayoutStarted, ReplyCompleted, SpeechStarted, TurnEnded
from tests.support.callers import caller_to, noise
from tests.support.platform import platform

_LONG_ANSWER = {"tts_synthetic_audio_ms": 4000}


async def test_the_agent_stops_when_the_caller_speaks(nats_url: str, tmp_path: Path) -> None:
    async with platform(nats_url, tmp_path, settings=_LONG_ANSWER) as running, caller_to(running) as caller:
        await running.record.wait_for(PlayoutEnded)
        caller.say(noise(0.5))
        await running.record.wait_for(PlayoutStarted, 2)
        assert await caller.until(lambda: len(caller.ear.spurts) == 2, within_s=20)

        caller.say(noise(0.5))
        interrupted = (await running.record.wait_for(PlayoutEnded, 2))[1]
        assert interrupted.outcome is Outcome.CANCELLED
        assert 0 < interrupted.heard_ms < 4000
        assert interrupted.heard_sentences == 0
        assert await caller.until(lambda: caller.ear.spurts[1].cleared is not None, within_s=20)

        await running.record.wait_for(TurnEnded, 2)
        answered = (await running.record.wait_for(PlayoutStarted, 3))[2]
        assert answered.reply == interrupted.reply + 1
        last = next(body for body in running.record.bodies(ReplyCompleted) if body.reply == answered.reply)
        assert last.turn == 2


async def test_without_barge_in_the_agent_finishes(nats_url: str, tmp_path: Path) -> None:
    async with (
        platform(
            nats_url, tmp_path, assistant={"barge_in": False}, settings={"tts_synthetic_audio_ms": 1500}
        ) as running,
        caller_to(running) as caller,
    ):
        await running.record.wait_for(PlayoutStarted)
        caller.say(noise(0.4))
        (greeting,) = await running.record.wait_for(PlayoutEnded)
        await running.record.wait_for(SpeechStarted)
        assert greeting.outcome is Outcome.DONE
