"""The bus on a real nats-server: events reach listeners and the stream, junk is counted and harms nobody."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from nats.aio.client import Client

from contracts.channels import ANALYTICS_QUERY, CALLER_AUDIO, DTMF_RECEIVED, SESSION_ACTIVE, TURN_ENDED
from contracts.errors import ErrorCode, TrunklineError
from contracts.frames import Codec, Frame
from contracts.identities import CallRef
from contracts.messages import (
    ActiveCalls,
    DtmfReceived,
    Event,
    ListActiveCalls,
    PartialTranscript,
    ReplySentence,
    SpeechDismissed,
    SqlQuery,
    SqlResult,
)
from contracts.streams import CALLS
from contracts.telemetry import FRAMES_DROPPED, HANDLER_ERRORS, MESSAGES_REJECTED
from runtime.errors import BusUnavailable, MessageTooLarge, RequestTimeout
from runtime.settings import ProcessSettings
from runtime.storage import last_event
from tests.support.context import service_context
from tests.support.waiting import eventually
from trunkline.nats_server import NatsServer

REF = CallRef("bright-smile", "01890a5d-ac96-774b-bcce-b302099a8057")


async def test_an_event_reaches_its_listener_and_the_stream(nats_url: str) -> None:
    heard: list[Event[Any]] = []

    async def hear(event: Event[Any]) -> None:
        heard.append(event)

    async with service_context(ProcessSettings(nats_url=nats_url), "probe") as context:
        await context.bus.on_events(REF, hear)
        sent = await context.bus.publish_event(REF, DtmfReceived(digit_pii="5"), epoch=3)
        later = await context.bus.publish_event(REF, SpeechDismissed(turn=1, audio_ms=80), cause=sent)
        await eventually(lambda: len(heard) == 2, "both events heard")
        assert heard == [sent, later]
        assert later.cause == sent.id
        assert await context.bus.settle(timeout_s=20)
        info = await context.bus.jetstream.stream_info("CALLS")
        assert info.state.messages == 2


async def test_only_the_wanted_events_are_handed_over(nats_url: str) -> None:
    heard: list[str] = []

    async def hear(event: Event[Any]) -> None:
        heard.append(type(event.body).__name__)

    async with service_context(ProcessSettings(nats_url=nats_url), "probe") as context:
        await context.bus.on_events(REF, hear, frozenset({"speech.dismissed"}))
        await context.bus.publish_event(REF, DtmfReceived(digit_pii="5"))
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
        bus.send_frame(audio, frame)
        await bus.publish_event(REF, DtmfReceived(digit_pii="1"))
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
            reply = await context.bus.request(SESSION_ACTIVE, ListActiveCalls(), ActiveCalls, timeout_s=20)
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
            reply = await context.bus.request(SESSION_ACTIVE, ListActiveCalls(), ActiveCalls, timeout_s=20)
            assert reply == ActiveCalls()
            junk = await context.bus.client.request(SESSION_ACTIVE.subject(), b"{", timeout=20)
            assert b"bad_message" in junk.data
        finally:
            await context.rpc.stop()
        await asyncio.sleep(0)


async def test_an_event_too_large_for_the_stream_is_refused_and_not_sent(nats_url: str) -> None:
    async with service_context(ProcessSettings(nats_url=nats_url), "probe") as context:
        long = ReplySentence(reply=1, turn=1, index=0, text_pii="x" * 300_000, engine="openai")
        with pytest.raises(
            MessageTooLarge, match=r"reply.sentence of 30\d{4} bytes; CALLS keeps up to 262144"
        ):
            await context.bus.publish_event(REF, long)
        fits = long.model_copy(update={"text_pii": "x" * 250_000})
        await context.bus.publish_event(REF, fits)
        assert await context.bus.settle(timeout_s=20)


async def test_a_request_too_large_for_nats_is_no_absence_of_nats(nats_url: str) -> None:
    async with service_context(ProcessSettings(nats_url=nats_url), "probe") as context:
        with pytest.raises(MessageTooLarge, match="NATS carries up to 1048576 bytes") as caught:
            await context.bus.request(ANALYTICS_QUERY, SqlQuery(sql="x" * 1_100_000), SqlResult, timeout_s=1)
        assert not caught.value.retryable


@pytest.mark.parametrize("fault", [ZeroDivisionError(), asyncio.CancelledError(), TrunklineError("no")])
async def test_no_fault_of_a_handler_ends_its_subscription(nats_url: str, fault: BaseException) -> None:
    heard: list[str] = []

    async def hear(event: Event[Any]) -> None:
        if not heard:
            heard.append("the first")
            raise fault
        heard.append(event.body.digit_pii)

    async with service_context(ProcessSettings(nats_url=nats_url), "probe") as context:
        await context.bus.on_events(REF, hear)
        await context.bus.publish_event(REF, DtmfReceived(digit_pii="1"))
        await context.bus.publish_event(REF, DtmfReceived(digit_pii="2"))
        await eventually(lambda: heard == ["the first", "2"], "the second is heard")
        counted = HANDLER_ERRORS if not isinstance(fault, TrunklineError) else MESSAGES_REJECTED
        assert context.metrics.counter(counted).total() == 1


async def test_answers_are_given_side_by_side(nats_url: str) -> None:
    everybody = asyncio.Event()
    waiting: list[ListActiveCalls] = []

    async def answer(question: ListActiveCalls) -> ActiveCalls:
        waiting.append(question)
        if len(waiting) == 3:
            everybody.set()
        await everybody.wait()
        return ActiveCalls()

    async with service_context(ProcessSettings(nats_url=nats_url), "probe") as context:
        await context.bus.respond(SESSION_ACTIVE.subject(), ListActiveCalls, ActiveCalls, answer)
        asking = [
            context.bus.request(SESSION_ACTIVE, ListActiveCalls(), ActiveCalls, timeout_s=20)
            for _ in range(3)
        ]
        assert await asyncio.gather(*asking) == [ActiveCalls()] * 3


async def test_a_question_that_wants_no_answer_harms_nobody(nats_url: str) -> None:
    failures: list[BaseException] = []

    async def answer(_: ListActiveCalls) -> ActiveCalls:
        return ActiveCalls()

    settings = ProcessSettings(nats_url=nats_url)
    async with service_context(settings, "probe", on_task_failure=failures.append) as context:
        await context.bus.respond(SESSION_ACTIVE.subject(), ListActiveCalls, ActiveCalls, answer)
        await context.bus.client.publish(SESSION_ACTIVE.subject(), b"{}")
        reply = await context.bus.request(SESSION_ACTIVE, ListActiveCalls(), ActiveCalls, timeout_s=20)
        assert reply == ActiveCalls()
    assert failures == []


async def test_while_nats_is_away_audio_is_dropped_and_counted_and_nobody_fails(
    nats_server: NatsServer,
) -> None:
    frames: list[Frame] = []
    came_back: list[bool] = []

    async def catch_up() -> None:
        came_back.append(True)
        if len(came_back) == 1:
            raise BusUnavailable("not yet")

    async with service_context(ProcessSettings(nats_url=nats_server.url), "probe") as context:
        bus = context.bus
        await bus.on_frames("stt-1", lambda _, frame: frames.append(frame))
        bus.on_reconnected(catch_up)
        audio = CALLER_AUDIO.subject(process="stt-1", tenant=REF.tenant, call=REF.call)
        nats_server.stop()
        await eventually(lambda: not bus.connected, "it notices")
        for sequence in range(50):
            bus.send_frame(audio, Frame(Codec.MULAW, 8000, sequence, 2, b"\xff" * 160))
        await bus.publish_event(REF, PartialTranscript(turn=1, text_pii="gone"))
        sent = await bus.publish_event(REF, DtmfReceived(digit_pii="5"))
        for _ in range(2000):
            await bus.publish(audio, SqlQuery(sql="x" * 1500))  # more than the client keeps
        assert bus.unacknowledged == 1
        await eventually(lambda: bus.frames.room == bus.frames.limit, "the frames are given up")
        nats_server.start()
        await eventually(lambda: len(came_back) == 2, "it catches up, the second time with success")
        assert await bus.settle(timeout_s=20)
        late = Frame(Codec.MULAW, 8000, 50, 2, b"\xff" * 160)
        bus.send_frame(audio, late)
        await eventually(lambda: frames, "audio flows again")
        assert frames == [late], "late audio is worse than lost audio"
        assert context.metrics.counter(FRAMES_DROPPED).counts == {("bus_away",): 50}
        subject = DTMF_RECEIVED.subject(tenant=REF.tenant, call=REF.call)
        assert await last_event(bus.jetstream, CALLS, subject) == sent


async def test_who_waits_for_nats_goes_on_when_others_are_back_too(nats_server: NatsServer) -> None:
    lost: list[bool] = []
    async with service_context(ProcessSettings(nats_url=nats_server.url), "probe") as context:
        bus = context.bus
        bus.on_lost(lambda: lost.append(True))
        await bus.reachable()
        nats_server.stop()
        await eventually(lambda: lost, "it is told")
        waiting, back = asyncio.create_task(bus.reachable()), asyncio.create_task(bus.reconnected())
        nats_server.start()
        await back
        assert not waiting.done()
        await waiting
        assert bus.connected


async def test_frames_of_a_call_that_come_together_travel_in_one_message(
    nats_url: str,
) -> None:
    frames: list[tuple[CallRef, Frame]] = []
    other = CallRef("bright-smile", "01890a5d-ac96-774b-bcce-b302099a8058")
    async with service_context(ProcessSettings(nats_url=nats_url), "probe") as context:
        bus = context.bus
        messages = await bus.client.subscribe("audio.>")
        await bus.on_frames("stt-1", lambda ref, frame: frames.append((ref, frame)))
        sent = [Frame(Codec.MULAW, 8000, sequence, 2, b"\xff" * 160) for sequence in range(5)]
        for frame in sent:
            for ref in (REF, other):
                bus.send_frame(CALLER_AUDIO.subject(process="stt-1", tenant=ref.tenant, call=ref.call), frame)
        await eventually(lambda: len(frames) == 10, "all of them")
        assert [frame for ref, frame in frames if ref == REF] == sent
        assert [frame for ref, frame in frames if ref == other] == sent
        await bus.flush()
        assert messages.pending_msgs == 2


async def test_frames_that_a_closing_connection_does_not_take_are_counted(
    nats_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with service_context(ProcessSettings(nats_url=nats_url), "probe") as context:
        audio = CALLER_AUDIO.subject(process="stt-1", tenant=REF.tenant, call=REF.call)
        with monkeypatch.context() as patch:
            patch.setattr(context.bus.client, "_status", Client.DRAINING_PUBS)
            context.bus.send_frame(audio, Frame(Codec.MULAW, 8000, 1, 2, b""))
            context.bus.frames.flush()
        assert context.metrics.counter(FRAMES_DROPPED).counts == {("bus_refused",): 1}
