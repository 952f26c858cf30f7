"""The bus on a real nats-server: events reach listeners and the stream, junk is counted and harms nobody."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from contracts.channels import CALLER_AUDIO, SESSION_ACTIVE, TURN_ENDED
from contracts.errors import ErrorCode, TrunklineError
from contracts.frames import Codec, Frame
from contracts.identities import CallRef
from contracts.messages import (
    ActiveCalls,
    DtmfReceived,
    Event,
    ListActiveCalls,
    SpeechDismissed,
)
from runtime.errors import RequestTimeout
from runtime.settings import ProcessSettings
from tests.support.context import service_context
from tests.support.waiting import eventually

REF = CallRef("bright-smile", "01890a5d-ac96-774b-bcce-b302099a8057")


async def test_an_event_reaches_its_listener_and_the_stream(nats_url: str) -> None:
    heard: list[Event[Any]] = []

    async def hear(event: Event[Any]) -> None:
        heard.append(event)

    async with service_context(ProcessSettings(nats_url=nats_url), "probe") as context:
        await context.bus.on_events(REF, hear)
        sent = await context.bus.publish_event(REF, DtmfReceived(digit="5"), epoch=3)
        later = await context.bus.publish_event(REF, SpeechDismissed(turn=1, audio_ms=80), cause=sent)
        await eventually(lambda: len(heard) == 2, "both events heard")
        assert heard == [sent, later]
        assert later.cause == sent.id
        assert await context.bus.settle(timeout_s=5)
        info = await context.bus.jetstream.stream_info("CALLS")
        assert info.state.messages == 2


async def test_only_the_wanted_events_are_handed_over(nats_url: str) -> None:
    heard: list[str] = []

    async def hear(event: Event[Any]) -> None:
        heard.append(type(event.body).__name__)

    async with service_context(ProcessSettings(nats_url=nats_url), "probe") as context:
        await context.bus.on_events(REF, hear, frozenset({"speech.dismissed"}))
        await context.bus.publish_event(REF, DtmfReceived(digit="5"))
        await context.bus.publish_event(REF, SpeechDismissed(turn=1, audio_ms=80))
        await eventually(lambda: heard, "one event heard")
        assert heard == ["SpeechDismissed"]


async def test_junk_on_the_bus_is_counted_and_the_next_message_is_heard(nats_url: str) -> None:
    frames: list[Frame] = []
    events: list[Event[Any]] = []

    async def hear(event: Event[Any]) -> None:
        events.append(event)

    async with service_context(ProcessSettings(nats_url=nats_url), "probe") as context:
        bus = context.bus
        audio = CALLER_AUDIO.subject(process="stt-1", tenant=REF.tenant, call=REF.call)
        await bus.on_frames("stt-1", lambda _, frame: frames.append(frame))
        await bus.on_events(REF, hear)
        await bus.client.publish(audio, b"not a frame")
        await bus.client.publish(TURN_ENDED.subject(tenant=REF.tenant, call=REF.call), b"{broken")
        frame = Frame(Codec.MULAW, 8000, 1, 2, b"\xff" * 160)
        await bus.publish_frame(audio, frame)
        await bus.publish_event(REF, DtmfReceived(digit="1"))
        await eventually(lambda: frames and events, "the good frame and the good event")
        assert frames == [frame]
        rejected = bus._rejected.counts
        assert rejected["audio", ErrorCode.BAD_FRAME] == 1
        assert rejected["turn.ended", ErrorCode.BAD_MESSAGE] == 1


async def test_a_request_is_answered_also_when_answering_fails(nats_url: str) -> None:
    async def refuse(_: ListActiveCalls) -> ActiveCalls:
        raise TrunklineError("the table is locked", mend="wait")

    async def break_down(_: ListActiveCalls) -> ActiveCalls:
        raise ZeroDivisionError

    async with service_context(ProcessSettings(nats_url=nats_url), "probe") as context:
        for answer, said in ((refuse, "the table is locked"), (break_down, "ZeroDivisionError")):
            subscription = await context.bus.respond(
                SESSION_ACTIVE.subject(), ListActiveCalls, ActiveCalls, answer
            )
            reply = await context.bus.request(SESSION_ACTIVE, ListActiveCalls(), ActiveCalls, timeout_s=2)
            assert reply.error is not None
            assert said in reply.error.message
            await subscription.unsubscribe()


async def test_nobody_there_is_a_retryable_timeout(nats_url: str) -> None:
    async with service_context(ProcessSettings(nats_url=nats_url), "probe") as context:
        with pytest.raises(RequestTimeout, match=r"rpc\.session\.active") as caught:
            await context.bus.request(SESSION_ACTIVE, ListActiveCalls(), ActiveCalls, timeout_s=0.5)
        assert caught.value.retryable


async def test_rpc_server_answers_with_a_queue_group(nats_url: str) -> None:
    async def none(_: ListActiveCalls) -> ActiveCalls:
        return ActiveCalls()

    async with service_context(ProcessSettings(nats_url=nats_url), "session") as context:
        context.rpc.serve(SESSION_ACTIVE, ActiveCalls, none)
        await context.rpc.start()
        try:
            reply = await context.bus.request(SESSION_ACTIVE, ListActiveCalls(), ActiveCalls, timeout_s=2)
            assert reply == ActiveCalls()
            junk = await context.bus.client.request(SESSION_ACTIVE.subject(), b"{", timeout=2)
            assert b"bad_message" in junk.data
        finally:
            await context.rpc.stop()
        await asyncio.sleep(0)
