"""The gateway while the workers of its calls are replaced, on a real bus and with a caller's socket."""

from __future__ import annotations

import asyncio

import pytest

from contracts.channels import TAKE_OVER
from contracts.errors import ErrorCode
from contracts.identities import CallRef
from contracts.messages import (
    CallDetached,
    CallReassigned,
    EndReason,
    LegEnded,
    OpenCall,
    OpenCallReply,
    Outcome,
    PlayoutEnded,
    Replaced,
    ReplyCompleted,
    Role,
    SpeechStarted,
    TakenOver,
    TakeOver,
)
from contracts.telemetry import STALE_EPOCH
from tests.support.waiting import eventually
from tests.unit.gateway_service.agent_audio import payload, reply_end, sentence
from tests.unit.gateway_service.stand import GATEWAY, Caller, Stand, accepted, gateway_stand, media

NEW_STT = "stt-2"


async def ask(stand: Stand, ref: CallRef, role: Role, epoch: int = 2, after_us: int = 0) -> TakenOver:
    command = TakeOver(role=role, process=f"{role}-2", epoch=epoch, after_us=after_us)
    return await stand.others.bus.request(
        TAKE_OVER, command, TakenOver, timeout_s=20, tenant=ref.tenant, call=ref.call
    )


async def reassign(stand: Stand, ref: CallRef, role: Role, process: str, epoch: int = 2) -> None:
    body = CallReassigned(role=role, process=process, epoch=epoch, before="gone", why=Replaced.LOST)
    await stand.others.bus.publish_event(ref, body)


async def heard_so_far(stand: Stand, frames: int) -> None:
    await eventually(lambda: len(stand.heard) == frames, f"{frames} frames at the first worker")


async def test_a_new_stt_worker_hears_the_last_seconds_and_then_the_caller_and_nothing_twice(
    nats_url: str,
) -> None:
    async with gateway_stand(nats_url, gateway_kept_audio_s=2, gateway_bus_queue_frames=60) as stand:
        heard = []
        await stand.others.bus.on_frames(NEW_STT, lambda _, frame: heard.append(frame))
        await stand.others.bus.flush()
        async with Caller.at(stand.app.url) as caller:
            ref = await stand.call(caller)
            for number in range(120):
                await caller.say(media(payload(number)))
                if number % 30 == 29:
                    await heard_so_far(stand, number + 1)
            after_us = stand.heard[-71].at_us
            answer = await ask(stand, ref, Role.STT, after_us=after_us)
            assert (answer.frames, answer.error) == (70, None)
            for number in range(120, 140):
                await caller.say(media(payload(number)))
            await eventually(lambda: len(heard) == 90, "all of it at the new worker")
            assert await ask(stand, ref, Role.STT, after_us=after_us) == answer
            await caller.say(media(payload(140)))
            await eventually(lambda: len(heard) == 91, "one more frame")
            assert [frame.sequence for frame in heard] == list(range(51, 142))
            assert [frame.payload for frame in heard] == [payload(number) for number in range(50, 141)]
            assert [frame.at_us for frame in heard[:70]] == [frame.at_us for frame in stand.heard[-70:]]
            assert stand.dropped() == {}
    assert len(stand.heard) == 120


async def test_a_worker_that_was_replaced_itself_is_refused_and_its_events_are_stale(nats_url: str) -> None:
    async with gateway_stand(nats_url) as stand, Caller.at(stand.app.url) as caller:
        ref = await stand.call(caller)
        await reassign(stand, ref, Role.STT, "stt-3", epoch=3)
        speech = SpeechStarted(turn=1, started_us=0, detected_us=0)
        await stand.others.bus.publish_event(ref, speech, epoch=1)
        stale = stand.gateway.metrics.counter(STALE_EPOCH)
        await eventually(lambda: stale.total() == 1, "the old worker's word is stale")
        answer = await ask(stand, ref, Role.STT)
        assert answer.error is not None
        assert answer.error.code is ErrorCode.CONFLICT
        await caller.say(media())
        await eventually(lambda: stand.heard, "whose audio goes where it went")


@pytest.mark.parametrize("announced", [True, False])
async def test_a_sentence_that_two_workers_made_is_heard_once(nats_url: str, announced: bool) -> None:
    async with gateway_stand(nats_url) as stand, Caller.at(stand.app.url) as caller:
        ref = await stand.call(caller)
        await stand.speak(ref, sentence(1, 0, 200))
        await stand.speak(ref, list(sentence(1, 1, 600))[:12])
        await eventually(lambda: len(caller.sound) == 22, "the agent falls silent")
        if announced:
            await reassign(stand, ref, Role.TTS, "tts-2")
        answer = await ask(stand, ref, Role.TTS)
        assert (answer.reply, answer.sentences) == (1, 1)
        await stand.speak(ref, list(sentence(1, 1, 600))[12:])  # the old one wakes up
        await stand.speak(ref, [*sentence(1, 1, 600, epoch=2), reply_end(1, 2, epoch=2)])
        done = ReplyCompleted(
            reply=1,
            turn=None,
            outcome=Outcome.DONE,
            sentences=2,
            engine="faq",
            first_sentence_ms=1,
            total_ms=1,
        )
        for _ in range(2):
            await stand.others.bus.publish_event(ref, done, epoch=1)
        ended = await stand.ended(PlayoutEnded)
        assert (ended.outcome, ended.heard_sentences, ended.heard_ms) == (Outcome.DONE, 2, 800.0)
        assert caller.sound == [payload(n) for n in [*range(10), *range(30)]]
        assert stand.dropped() == {("stale_epoch",): 18}
    assert len(stand.bodies(PlayoutEnded)) == 1


async def test_what_the_gateway_says_carries_its_epoch(nats_url: str) -> None:
    async with gateway_stand(nats_url) as stand:

        async def answer(_: OpenCall) -> OpenCallReply:
            return accepted(epoch=4)

        stand.answer = answer
        async with Caller.at(stand.app.url) as caller:
            await stand.call(caller)
            await caller.say(media())
            await eventually(lambda: stand.heard, "a frame")
        await stand.ended()
    assert {event.epoch for event in stand.events} == {stand.heard[0].epoch} == {4}


@pytest.mark.parametrize("asleep", [True, False])
async def test_a_gateway_that_was_taken_for_lost_sends_its_leg_to_come_again(
    nats_url: str, asleep: bool
) -> None:
    async with gateway_stand(nats_url) as stand, Caller.at(stand.app.url) as caller:
        ref = await stand.call(caller)
        (line,) = stand.app._desk._lines.values()
        if asleep:
            await line._leave()  # as if the subscriptions had been down
        await stand.others.bus.publish_event(ref, CallDetached(gateway=GATEWAY, wait_s=15))
        assert await stand.others.bus.settle(5)
        if asleep:
            await stand.app._desk.catch_up()
        assert (await caller.closed())[0] == 1012
        await eventually(lambda: not len(stand.app._desk), "the leg is gone")
    assert stand.bodies(LegEnded) == []


async def test_a_drain_in_mid_turn_waits_for_the_answer(nats_url: str) -> None:
    async with gateway_stand(nats_url) as stand, Caller.at(stand.app.url) as caller:
        ref = await stand.call(caller)
        (line,) = stand.app._desk._lines.values()
        speech = SpeechStarted(turn=1, started_us=0, detected_us=0)
        await stand.others.bus.publish_event(ref, speech, epoch=1)
        await eventually(lambda: line.call.engaged, "the caller speaks")
        draining = asyncio.create_task(stand.app.drain())
        await stand.speak(ref, [*sentence(1, 0, 200), reply_end(1)])
        assert (await stand.ended(PlayoutEnded)).outcome is Outcome.DONE
        assert (await stand.ended()).reason is EndReason.DRAINED
        await asyncio.wait_for(draining, 20)
