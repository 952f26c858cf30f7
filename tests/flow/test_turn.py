"""A whole turn over the real bus, with synthetic engines: heard, answered, played, accounted for."""

from __future__ import annotations

from pathlib import Path

from contracts.identities import CallRef
from contracts.messages import (
    CallEnded,
    CallStarted,
    EndReason,
    LegEnded,
    Outcome,
    PlayoutEnded,
    PlayoutStarted,
    ReplyCompleted,
    ReplySentence,
    SentenceSynthesized,
    SpeechStarted,
    TurnEnded,
)
from tests.support.callers import caller_to, noise
from tests.support.platform import platform
from tests.support.waiting import eventually


async def test_a_turn_is_heard_answered_and_played(nats_url: str, tmp_path: Path) -> None:
    async with platform(nats_url, tmp_path) as running:
        async with caller_to(running) as caller:
            (greeted,) = await running.record.wait_for(PlayoutEnded)
            assert greeted.outcome is Outcome.DONE
            assert greeted.heard_sentences == 1
            call = await running.only_call()

            said = caller.say(noise(0.6))
            await said.finished.wait()
            await running.record.wait_for(PlayoutEnded, 2)

            (turn,) = running.record.bodies(TurnEnded)
            (speech,) = running.record.bodies(SpeechStarted)
            sentences = running.record.bodies(ReplySentence)[1:]
            completed = running.record.bodies(ReplyCompleted)[1]
            made = running.record.bodies(SentenceSynthesized)[1:]
            started, played = running.record.bodies(PlayoutStarted)[1], running.record.bodies(PlayoutEnded)[1]
            assert turn.turn == speech.turn == completed.turn == 1
            assert [sentence.index for sentence in sentences] == list(range(completed.sentences))
            assert completed.outcome is played.outcome is Outcome.DONE
            assert played.heard_sentences == len(sentences) == len(made)
            assert abs(played.heard_ms - sum(sentence.audio_ms for sentence in made)) <= 40
            assert speech.started_us < turn.speech_ended_us < turn.decided_us < started.first_frame_us
            assert caller.ear.frames > 50

        (ended,) = await running.record.wait_for(CallEnded)
        assert ended.reason is EndReason.CALLER_HUNG_UP
        assert running.record.bodies(LegEnded)[0].frames_in > 50
        assert not (await running.active_calls()).calls
        await _nobody_holds_it(running, call)


async def _nobody_holds_it(running: object, call: CallRef) -> None:
    workers = [app._worker for app in running.apps.values() if hasattr(app, "_worker")]  # type: ignore[attr-defined]
    assert len(workers) == 3
    await eventually(lambda: not any(worker.epoch_of(call) for worker in workers), "every worker let go")


async def test_every_event_is_caused_by_the_one_that_led_to_it(nats_url: str, tmp_path: Path) -> None:
    async with platform(nats_url, tmp_path) as running, caller_to(running) as caller:
        await running.record.wait_for(PlayoutEnded)
        caller.say(noise(0.6))
        await running.record.wait_for(PlayoutEnded, 2)
        by_id = {event.id: event for event in running.record.events}
        sentence = next(
            event
            for event in running.record.events
            if isinstance(event.body, ReplySentence) and event.body.turn == 1
        )
        assert sentence.cause is not None
        assert isinstance(by_id[sentence.cause].body, TurnEnded)
        greeting = next(event for event in running.record.events if isinstance(event.body, ReplySentence))
        assert greeting.cause is not None
        assert isinstance(by_id[greeting.cause].body, CallStarted)


async def test_two_callers_at_once_have_two_conversations(nats_url: str, tmp_path: Path) -> None:
    async with platform(nats_url, tmp_path) as running:
        async with caller_to(running) as one, caller_to(running) as other:
            await running.record.wait_for(PlayoutEnded, 2)
            one.say(noise(0.5))
            other.say(noise(0.5))
            await running.record.wait_for(PlayoutEnded, 4)
            calls = {event.call for event in running.record.events}
            assert len(calls) == 2
            for call in calls:
                assert len(running.record.bodies(TurnEnded, call)) == 1
                assert [ended.reply for ended in running.record.bodies(PlayoutEnded, call)] == [1, 2]
        await running.record.wait_for(CallEnded, 2)
