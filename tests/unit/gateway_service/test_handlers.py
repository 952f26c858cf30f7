"""Whole calls over real sockets and a real bus: what the caller and the other services see of the gateway."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from random import Random
from typing import Any

import pytest

from contracts.channels import AGENT_AUDIO, SESSION_CALLS, SPEECH_STARTED
from contracts.errors import ErrorCode
from contracts.examples.practice import RECEPTION
from contracts.identities import CallRef, uuid7
from contracts.messages import (
    CallEnded,
    CallStarted,
    DtmfReceived,
    EndReason,
    LegEnded,
    ListLiveCalls,
    LiveCall,
    LiveCalls,
    Message,
    Next,
    OpenCall,
    OpenCallReply,
    Outcome,
    PlayoutEnded,
    PlayoutStarted,
    ReplyCompleted,
    Role,
    SpeechStarted,
    WireError,
)
from contracts.telemetry import STALE_EPOCH
from gateway_service.history import History
from runtime.bus import Bus
from runtime.errors import RequestTimeout
from tests.support.waiting import eventually
from tests.unit.gateway_service.agent_audio import payload, sentence, whole_reply
from tests.unit.gateway_service.stand import (
    MULAW,
    NUMBERS,
    SOUND,
    STREAM,
    Caller,
    Stand,
    accepted,
    gateway_stand,
    media,
    start,
    token,
)


@pytest.fixture
async def stand(nats_url: str) -> AsyncIterator[Stand]:
    async with gateway_stand(nats_url) as stand:
        yield stand


@asynccontextmanager
async def refusing(stand: Stand, status: int, code: ErrorCode) -> AsyncIterator[None]:
    async def refuse(_: OpenCall) -> OpenCallReply:
        error = WireError(code=code, message="not today", mend="tomorrow", status=status)
        return OpenCallReply(error=error)

    answer, stand.answer = stand.answer, refuse
    yield
    stand.answer = answer


def speech(turn: int) -> SpeechStarted:
    return SpeechStarted(turn=turn, started_us=0, detected_us=0)


def completed(reply: int, then: Next = Next.LISTEN) -> ReplyCompleted:
    return ReplyCompleted(
        reply=reply,
        turn=None,
        outcome=Outcome.DONE,
        sentences=1,
        engine="faq",
        first_sentence_ms=1,
        total_ms=1,
        then=then,
    )


# -- a good call -------------------------------------------------------------------------------------


async def test_a_call_from_socket_to_end(stand: Stand) -> None:
    async with Caller.at(stand.app.url) as caller:
        before_us = stand.gateway.clock.now_us()
        ref = await stand.call(caller)
        (asked,) = stand.asked
        assert (asked.called, asked.caller, asked.carrier_call_id) == ("+15550100", "+15550142", "CA1")
        (started,) = stand.bodies(CallStarted)
        assert (started.called, started.assistant, started.protocol) == ("+15550100", RECEPTION.id, "twilio")
        assert stand.events[0].trace

        for _ in range(10):
            await caller.say(media())
        await eventually(lambda: len(stand.heard) == 10, "ten frames at stt")
        assert [frame.sequence for frame in stand.heard] == list(range(1, 11))
        assert {(frame.payload, frame.epoch, frame.reply) for frame in stand.heard} == {(SOUND, 1, 0)}
        stamps = [frame.at_us for frame in stand.heard]
        assert before_us < stamps[0] <= stamps[-1] <= stand.gateway.clock.now_us()
        assert stamps == sorted(stamps)

        await stand.speak(ref, whole_reply(1, 200, 100))
        ended = await stand.ended(PlayoutEnded)
        assert caller.sound == [payload(n) for n in range(10)] + [payload(n) for n in range(5)]
        assert (ended.reply, ended.outcome, ended.heard_ms, ended.heard_sentences) == (
            1,
            Outcome.DONE,
            300.0,
            2,
        )
        (playout,) = stand.bodies(PlayoutStarted)
        assert before_us < playout.first_frame_us < ended.ended_us

        await caller.say({"event": "dtmf", "streamSid": STREAM, "dtmf": {"digit": "7"}})
        await eventually(lambda: stand.bodies(DtmfReceived), "the key")
        await caller.say({"event": "stop", "streamSid": STREAM, "stop": {"callSid": "CA1"}})
        gone = await stand.ended()
        assert (gone.reason, gone.frames_in, gone.frames_out, gone.frames_dropped) == (
            EndReason.CALLER_HUNG_UP,
            10,
            15,
            0,
        )
        assert (await caller.closed())[0] == 1000
    assert [type(event.body) for event in stand.events] == [
        CallStarted,
        PlayoutStarted,
        PlayoutEnded,
        DtmfReceived,
        LegEnded,
    ]
    assert {event.ref for event in stand.events} == {ref}
    assert stand.refused() == {}


async def test_a_caller_that_never_echoes_marks_is_known_by_the_clock(stand: Stand) -> None:
    async with Caller.at(stand.app.url, echo_marks=False) as caller:
        ref = await stand.call(caller)
        await stand.speak(ref, whole_reply(1, 200))
        ended = await stand.ended(PlayoutEnded)
        assert (ended.outcome, ended.heard_ms, ended.heard_sentences) == (Outcome.DONE, 200.0, 1)


async def test_what_is_said_before_the_call_is_open_is_not_lost(stand: Stand) -> None:
    go_on = asyncio.Event()

    async def answer(_: OpenCall) -> OpenCallReply:
        await go_on.wait()
        return accepted(epoch=4)

    stand.answer = answer
    async with Caller.at(stand.app.url) as caller:
        await caller.begin()
        for _ in range(3):
            await caller.say(media())
        await eventually(lambda: stand.asked, "the question")
        await caller.say(media())
        await (await caller.socket.ping())  # the gateway has read everything before it
        assert not stand.heard
        go_on.set()
        await eventually(lambda: len(stand.heard) == 4, "what was said before")
        assert {frame.epoch for frame in stand.heard} == {4}


async def test_a_message_in_fragments_is_understood(stand: Stand) -> None:
    async with Caller.at(stand.app.url) as caller:
        await stand.call(caller)
        text = '{"event":"dtmf","dtmf":{"digit":"9"}}'
        await caller.socket.send([text[:5], text[5:20], text[20:]])
        await eventually(lambda: stand.bodies(DtmfReceived), "the key")


# -- barge-in ----------------------------------------------------------------------------------------


async def test_speech_clears_the_callers_audio_at_once(stand: Stand) -> None:
    async with Caller.at(stand.app.url) as caller:
        ref = await stand.call(caller)
        await stand.speak(ref, sentence(1, 0, 5000))
        await eventually(lambda: len(caller.sound) > 5, "the agent speaks")
        event = await stand.others.bus.publish_event(ref, speech(1), epoch=1)
        ended = await stand.ended(PlayoutEnded)
        assert (ended.reply, ended.outcome, ended.heard_sentences) == (1, Outcome.CANCELLED, 0)
        assert 0 < ended.heard_ms == ended.partial_ms < 5000
        assert stand.events[-1].cause == event.id
        await eventually(lambda: caller.clears == 1, "the clear")
        await stand.speak(ref, sentence(1, 0, 200))  # what was on its way still
        await stand.speak(ref, sentence(2, 0, 100))
        await eventually(lambda: len(caller.sound) == caller.sound_at_clear + 5, "the next reply alone")
        assert stand.dropped()["stale_reply",] == 10


async def test_an_answer_is_not_silenced_by_the_speech_that_it_answers(stand: Stand) -> None:
    """Speech that is heard late, as by a replacement of stt, is answered within milliseconds: its start and
    the answer's first frames come in together.
    """
    async with Caller.at(stand.app.url) as caller:
        ref = await stand.call(caller)
        await stand.speak(ref, sentence(1, 0, 5000))
        await eventually(lambda: len(caller.sound) > 5, "the agent speaks")
        other = CallRef(ref.tenant, uuid7(0, Random(1)))
        event = await stand.others.bus.publish_event(other, speech(1), epoch=1)
        late = event.model_copy(update={"call": ref.call})
        subject = SPEECH_STARTED.subject(tenant=ref.tenant, call=ref.call)
        line = stand.app._desk._lines[ref.call]
        assert line._events is not None
        line._events._hear(subject.encode(), late.model_dump_json().encode())
        stand.app._desk.on_frames(ref, list(whole_reply(2, 100)))
        await eventually(lambda: len(stand.bodies(PlayoutEnded)) == 2, "both are over")
        ended = [(body.reply, body.outcome) for body in stand.bodies(PlayoutEnded)]
        assert ended == [(1, Outcome.CANCELLED), (2, Outcome.DONE)]
        assert len(caller.sound) == caller.sound_at_clear + 5


async def test_an_event_that_comes_twice_or_from_an_old_epoch_cuts_nothing(stand: Stand) -> None:
    async def answer(_: OpenCall) -> OpenCallReply:
        return accepted(epoch=2)

    stand.answer = answer
    async with Caller.at(stand.app.url) as caller:
        ref = await stand.call(caller)
        await stand.speak(ref, whole_reply(1, 300, epoch=2))
        await stand.others.bus.publish_event(ref, speech(1), epoch=1)
        await stand.speak(ref, whole_reply(2, 100, epoch=1))
        ended = await stand.ended(PlayoutEnded)
        assert ended.outcome is Outcome.DONE
        assert caller.clears == 0
        assert len(caller.sound) == 15
        assert stand.gateway.metrics.counter(STALE_EPOCH).total() == 1 + 6


# -- the end -----------------------------------------------------------------------------------------


async def test_a_hang_up_command_ends_the_leg(stand: Stand) -> None:
    async with Caller.at(stand.app.url) as caller:
        ref = await stand.call(caller)
        assert (await stand.hang_up(ref)).error is None
        assert await caller.closed() == (1000, "commanded")
        assert (await stand.ended()).reason is EndReason.COMMANDED
        await eventually(lambda: len(stand.app._desk) == 0, "the call is gone")
        with pytest.raises(RequestTimeout):
            await stand.hang_up(ref)
    assert len(stand.bodies(LegEnded)) == 1


async def test_the_agent_hangs_up_after_its_goodbye_was_heard(stand: Stand) -> None:
    async with Caller.at(stand.app.url) as caller:
        ref = await stand.call(caller)
        await stand.others.bus.publish_event(ref, completed(1, Next.HANG_UP), epoch=1)
        await stand.speak(ref, whole_reply(1, 200))
        assert await caller.closed() == (1000, "agent_hung_up")
        assert len(caller.sound) == 10
        assert (await stand.ended()).reason is EndReason.AGENT_HUNG_UP


async def test_a_call_that_the_session_ends_is_closed(stand: Stand) -> None:
    async with Caller.at(stand.app.url) as caller:
        ref = await stand.call(caller)
        over = CallEnded(reason=EndReason.FAILED, started_us=0, ended_us=1, duration_ms=1)
        await stand.others.bus.publish_event(ref, over)
        assert await caller.closed() == (1000, "failed")


async def test_a_caller_who_just_closes_hung_up(stand: Stand) -> None:
    async with Caller.at(stand.app.url) as caller:
        await stand.call(caller)
    assert (await stand.ended()).reason is EndReason.CALLER_HUNG_UP


async def test_a_caller_who_vanishes_is_a_lost_connection(stand: Stand) -> None:
    async with Caller.at(stand.app.url) as caller:
        await stand.call(caller)
        caller.socket.transport.abort()
        gone = await stand.ended()
    assert gone.reason is EndReason.CONNECTION_LOST
    assert gone.detail


async def test_a_caller_who_leaves_while_the_session_thinks_is_told_of(stand: Stand) -> None:
    go_on = asyncio.Event()

    async def answer(_: OpenCall) -> OpenCallReply:
        await go_on.wait()
        return accepted()

    stand.answer = answer
    async with Caller.at(stand.app.url) as caller:
        await caller.begin()
        await eventually(lambda: stand.asked, "the question")
    await eventually(lambda: len(stand.app._desk) == 0, "the leg is gone")
    go_on.set()
    assert (await stand.ended()).reason is EndReason.CALLER_HUNG_UP
    assert stand.bodies(CallStarted) == []


@pytest.mark.parametrize(
    "said",
    [
        CallEnded(reason=EndReason.FAILED, started_us=0, ended_us=1, duration_ms=1),
        completed(1, Next.HANG_UP).model_copy(update={"outcome": Outcome.FAILED, "sentences": 0}),
    ],
)
async def test_what_was_said_while_the_bus_was_away_is_found_in_the_stream(
    stand: Stand, said: Message
) -> None:
    async with Caller.at(stand.app.url) as caller:
        ref = await stand.call(caller)
        (line,) = stand.app._desk._lines.values()
        await line._leave()  # as if the subscriptions had been down
        await stand.others.bus.publish_event(ref, said)
        assert await stand.others.bus.settle(5)
        assert not stand.bodies(LegEnded)
        await stand.app._desk.catch_up()
        await stand.ended()
        await stand.app._desk.catch_up()
    assert len(stand.bodies(LegEnded)) == 1


# -- refused -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (404, ErrorCode.UNKNOWN_NUMBER),
        (402, ErrorCode.SUBSCRIPTION_INACTIVE),
        (486, ErrorCode.NUMBER_FULL),
        (503, ErrorCode.PLATFORM_FULL),
    ],
)
async def test_what_the_session_refuses_is_closed_with_its_reason(
    stand: Stand, status: int, code: ErrorCode
) -> None:
    async with refusing(stand, status, code), Caller.at(stand.app.url) as caller:
        await caller.begin()
        closed, reason = await caller.closed()
        assert closed == 4000 + status
        assert reason.startswith("We are sorry, ")
        assert reason.endswith(f" [{code}]")
    assert stand.refused() == {(code,): 1}
    assert stand.events == []


async def test_without_a_session_nobody_is_answered(nats_url: str) -> None:
    async with (
        gateway_stand(nats_url, session=False, gateway_open_patience_s=0.5) as stand,
        Caller.at(stand.app.url) as caller,
    ):
        await caller.begin()
        code, reason = await caller.closed()
        assert code == 4503
        assert reason.startswith("We are sorry, your call cannot be connected now.")
        assert stand.refused() == {(ErrorCode.TIMEOUT,): 1}


async def test_a_session_that_takes_over_a_little_later_answers(nats_url: str) -> None:
    async with gateway_stand(nats_url, session=False) as stand, Caller.at(stand.app.url) as caller:
        await caller.begin()
        await asyncio.sleep(0.3)  # nobody listens: each try fails at once
        await stand.open_session()
        await eventually(lambda: stand.asked, "it is asked again")
        assert len({request.call for request in stand.asked}) == 1


async def test_a_question_that_was_lost_is_asked_again(nats_url: str) -> None:
    async with gateway_stand(nats_url, gateway_open_timeout_s=0.2) as stand:

        async def answer(_: OpenCall) -> OpenCallReply:
            if len(stand.asked) == 1:
                await asyncio.sleep(0.5)  # too late for the first
            return accepted()

        stand.answer = answer
        async with Caller.at(stand.app.url) as caller:
            await stand.call(caller)
        assert len({request.call for request in stand.asked}) == 1


async def test_a_session_that_names_no_stt_worker_is_not_believed(stand: Stand) -> None:
    async def answer(_: OpenCall) -> OpenCallReply:
        return accepted(workers={Role.TTS: "tts-1"})

    stand.answer = answer
    async with Caller.at(stand.app.url) as caller:
        await caller.begin()
        assert (await caller.closed())[0] == 4503


def _wrong_size() -> list[dict[str, Any]]:
    return [start(), media(b"\xff" * 80)]


BAD_INPUT: dict[str, tuple[Sequence[dict[str, Any] | bytes | str | list[str]], int, str, ErrorCode]] = {
    "garbage json": (["{broken"], 1007, "not JSON", ErrorCode.BAD_MESSAGE),
    "not utf-8": ([b"text:\xff\xfe"], 1007, "not JSON", ErrorCode.BAD_MESSAGE),
    "binary junk": ([b"\x00\x01\x02"], 1003, "a binary message", ErrorCode.BAD_MESSAGE),
    "no event": ([{}], 1007, "event is missing", ErrorCode.BAD_MESSAGE),
    "wrong size": (_wrong_size(), 1007, "holds 80 bytes", ErrorCode.BAD_FRAME),
    "media before start": ([media()], 1002, "media before start", ErrorCode.OUT_OF_ORDER),
    "second start": ([start(), start()], 1002, "'start' cannot come", ErrorCode.OUT_OF_ORDER),
    "unknown codec": (
        [start(mediaFormat={**MULAW, "encoding": "audio/opus"})],
        1003,
        "mediaFormat.encoding 'audio/opus'",
        ErrorCode.UNSUPPORTED_CODEC,
    ),
    "no called number": (
        [start(customParameters={"from": NUMBERS["from"]})],
        1008,
        "customParameters.to is missing",
        ErrorCode.BAD_MESSAGE,
    ),
    "oversize": (["x" * 70_000], 1009, "a message of 70000 bytes", ErrorCode.MESSAGE_TOO_LARGE),
    "oversize in fragments": ([["x" * 40_000] * 3], 1009, "80000 bytes", ErrorCode.MESSAGE_TOO_LARGE),
    "far oversize": (["x" * 2_500_000], 1009, "max allowed size", ErrorCode.MESSAGE_TOO_LARGE),
}


@pytest.mark.parametrize("name", BAD_INPUT)
async def test_bad_input_closes_its_leg_with_the_mend_and_disturbs_no_other_call(
    stand: Stand, name: str
) -> None:
    messages, code, says, counted = BAD_INPUT[name]
    async with Caller.at(stand.app.url) as bystander, Caller.at(stand.app.url) as caller:
        other = await stand.call(bystander)
        for message in messages:
            if isinstance(message, dict):
                await caller.say(message)
            elif isinstance(message, bytes) and message.startswith(b"text:"):
                await caller.socket.send(message.removeprefix(b"text:"), text=True)
            else:
                await caller.socket.send(message)
        closed, reason = await caller.closed()
        assert closed == code
        assert says in reason
        if name != "far oversize":  # found by the WebSocket library, in its own words
            assert reason.endswith(")")
        await eventually(lambda: stand.refused() == {(counted,): 1}, "counted")

        await bystander.say(media())
        await stand.speak(other, whole_reply(1, 100))
        await eventually(lambda: stand.heard_by.get(other.call), "the other caller is heard")
        await eventually(lambda: len(bystander.sound) == 5, "the other caller hears")
        assert bystander.code is None


async def test_bytes_that_are_no_websocket_frames_end_their_own_leg(stand: Stand) -> None:
    async with Caller.at(stand.app.url) as caller:
        await stand.call(caller)
        caller.socket.transport.write(b"\x81\x05hello")  # not masked, as a client's frames must be
        gone = await stand.ended()
        assert gone.reason is EndReason.PROTOCOL_ERROR
        assert "un-masked" in gone.detail
        assert (await caller.closed())[0] == 1002
    assert stand.refused() == {(ErrorCode.BAD_FRAME,): 1}


async def test_a_fault_in_a_call_is_published_with_its_reason(stand: Stand) -> None:
    async with Caller.at(stand.app.url) as caller:
        await stand.call(caller)
        await caller.say(media())
        await caller.say(media(b"short"))
        gone = await stand.ended()
    assert (gone.reason, gone.frames_in) == (EndReason.PROTOCOL_ERROR, 1)
    assert "holds 5 bytes" in gone.detail


async def test_a_caller_who_never_starts_is_shown_out(nats_url: str) -> None:
    async with (
        gateway_stand(nats_url, gateway_start_timeout_s=0.05) as stand,
        Caller.at(stand.app.url) as caller,
    ):
        code, reason = await caller.closed()
        assert (code, reason) == (1008, "no start within 0.05 s (send start after connecting)")


async def test_a_full_gateway_refuses_and_has_room_again(nats_url: str) -> None:
    async with gateway_stand(nats_url, gateway_capacity=1) as stand:
        async with Caller.at(stand.app.url) as caller:
            await stand.call(caller)
            async with Caller.at(stand.app.url) as second:
                code, reason = await second.closed()
                assert code == 4503
                assert reason.startswith("We are sorry, all lines are busy.")
            assert stand.refused() == {(ErrorCode.PLATFORM_FULL,): 1}
        await eventually(lambda: len(stand.app._desk) == 0, "the first caller is gone")
        async with Caller.at(stand.app.url) as third:
            await stand.call(third)


async def test_junk_on_the_bus_is_counted_and_the_call_goes_on(stand: Stand) -> None:
    async with Caller.at(stand.app.url) as caller:
        ref = await stand.call(caller)
        subject = AGENT_AUDIO.subject(process="gateway-test", tenant=ref.tenant, call=ref.call)
        await stand.others.bus.client.publish(subject, b"not a frame")
        nobody = CallRef(ref.tenant, uuid7(0, Random(1)))
        await stand.speak(nobody, whole_reply(1, 100))
        await stand.speak(CallRef("another-tenant", ref.call), whole_reply(1, 100))
        await stand.speak(ref, whole_reply(1, 100))
        ended = await stand.ended(PlayoutEnded)
        assert ended.outcome is Outcome.DONE
        assert len(caller.sound) == 5
        assert stand.dropped() == {("unknown_call",): 12}


# -- heartbeats --------------------------------------------------------------------------------------


async def test_heartbeats_name_the_callers_who_are_quiet(nats_url: str) -> None:
    async with gateway_stand(nats_url, heartbeat_s=0.05, gateway_quiet_after_ms=200) as stand:
        async with Caller.at(stand.app.url) as quiet, Caller.at(stand.app.url) as busy:
            quiet_ref = await stand.call(quiet)
            await stand.call(busy)

            async def talk() -> None:
                while True:
                    await busy.say(media())
                    await asyncio.sleep(0.02)

            talking = asyncio.create_task(talk())
            await eventually(lambda: stand.beats[-1].quiet_ms, "a quiet caller")
            talking.cancel()
            beat = next(beat for beat in stand.beats if beat.quiet_ms)
            assert list(beat.quiet_ms) == [quiet_ref.call]
            assert beat.quiet_ms[quiet_ref.call] >= 200
            assert (beat.role, beat.calls, beat.capacity, beat.draining) == (Role.GATEWAY, 2, 300, False)
        await eventually(lambda: stand.beats[-1].calls == 0, "both gone")


CALL = "01997d1e-0000-7000-8000-000000000001"


@pytest.fixture
async def shut(nats_url: str) -> AsyncIterator[Stand]:
    """A gateway that takes nobody without a token."""
    async with gateway_stand(nats_url, gateway_open_loopback=False, gateway_token_returns_s=60) as stand:
        yield stand


async def test_the_token_says_which_call_it_is_and_who_calls_whom(shut: Stand) -> None:
    async with Caller.at(shut.app.url) as caller:
        ref = await shut.call(caller, token=token(CALL))
        assert ref.call == CALL
        (asked,) = shut.asked
        assert (asked.call, asked.called, asked.caller) == (CALL, NUMBERS["to"], NUMBERS["from"])
        assert asked.attach
        await shut.speak(ref, sentence(1, 0, 60))
        await eventually(lambda: len(caller.sound) == 3, "the agent's audio")


@pytest.mark.parametrize("by", ["header", "query"])
async def test_the_token_may_come_with_the_handshake(shut: Stand, by: str) -> None:
    shown = token(CALL)
    url = shut.app.url if by == "header" else f"{shut.app.url}?token={shown}"
    headers = {"Authorization": f"Bearer {shown}"} if by == "header" else None
    async with Caller.at(url, headers=headers) as caller:
        assert (await shut.call(caller, **NUMBERS)).call == CALL


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        (lambda: NUMBERS, "no media token came with the start"),
        (lambda: {"token": "e.y.J"}, "the media token is not valid"),
        (lambda: {"token": token(CALL, age_s=121)}, "the media token expired"),
        (
            lambda: {"token": token(CALL), "to": "+15550199"},
            "customParameters.to is not the number of the media token",
        ),
        (lambda: {"token": token(CALL, aud="rest")[:-4]}, "the media token is not valid"),
    ],
    ids=["none", "no token", "expired", "for another number", "for REST"],
)
async def test_without_a_good_token_the_socket_is_closed_with_1008(
    shut: Stand, parameters: Callable[[], dict[str, str]], said: str
) -> None:
    async with Caller.at(shut.app.url) as caller:
        await caller.begin(**parameters())
        code, reason = await caller.closed()
    assert code == 1008
    assert said in reason
    assert shut.asked == []
    assert shut.refused() == {(ErrorCode.UNAUTHENTICATED,): 1}
    assert len(shut.app._desk) == 0


async def test_a_caller_behind_a_proxy_of_this_machine_is_not_of_this_machine(stand: Stand) -> None:
    async with Caller.at(stand.app.url, headers={"X-Forwarded-For": "203.0.113.7"}) as caller:
        await caller.begin()
        assert (await caller.closed())[0] == 1008


async def test_a_token_is_for_one_leg(shut: Stand) -> None:
    async with Caller.at(shut.app.url) as first, Caller.at(shut.app.url) as second:
        ref = await shut.call(first, token=token(CALL))
        await second.begin(token=token(CALL))
        code, reason = await second.closed()
        assert code == 1008
        assert "another leg has this call" in reason
        await shut.speak(ref, sentence(1, 0, 40))
        await eventually(lambda: len(first.sound) == 2, "the first leg goes on")
        assert len(shut.asked) == 1
    assert shut.refused() == {(ErrorCode.CONFLICT,): 1}


async def test_what_another_gateway_holds_is_refused_by_the_session_with_1008(shut: Stand) -> None:
    async with refusing(shut, 409, ErrorCode.CONFLICT), Caller.at(shut.app.url) as caller:
        await caller.begin(token=token(CALL))
        assert await caller.closed() == (1008, "not today (tomorrow)")


@pytest.mark.parametrize("goes_on", [True, False])
async def test_an_expired_token_is_good_for_a_call_that_goes_on(shut: Stand, goes_on: bool) -> None:
    held = LiveCall(
        call=CALL,
        tenant="bright-smile",
        number=NUMBERS["to"],
        caller=NUMBERS["from"],
        carrier_call_id="CA1",
        started_us=1,
        gateway="gateway-lost",
        assistant="reception",
        language="en",
    )
    wanted = []

    async def active(request: ListLiveCalls) -> LiveCalls:
        wanted.append(request)
        return LiveCalls(items=(held,) if goes_on else ())

    await shut.others.bus.respond(SESSION_CALLS.subject(), ListLiveCalls, LiveCalls, active)
    await shut.others.bus.flush()
    async with Caller.at(shut.app.url) as caller:
        if goes_on:
            assert (await shut.call(caller, token=token(CALL, age_s=90))).call == CALL
        else:
            await caller.begin(token=token(CALL, age_s=90))
            code, reason = await caller.closed()
            assert (code, "has expired" in reason) == (1008, True)
            assert shut.asked == []
    assert wanted == [ListLiveCalls(tenant="bright-smile", call=CALL)]


async def test_the_returned_leg_of_a_call_goes_on_where_the_lost_gateway_was(stand: Stand) -> None:
    """The stream knows turn 3 and that reply 2 was heard; reply 3 is complete and the last one."""
    ref = CallRef("bright-smile", CALL)
    bus = stand.others.bus
    first_us = await _lost_gateway_said(bus, ref)

    async def again(request: OpenCall) -> OpenCallReply:
        return accepted(epoch=4, call=CALL, resumed=True)

    stand.answer = again
    async with Caller.at(stand.app.url) as caller:
        await caller.begin()
        await eventually(
            lambda: len(stand.app._desk) and stand.app._desk._lines.get(CALL), "the call's own id"
        )
        line = stand.app._desk._lines[CALL]
        await eventually(lambda: line.call.ref == ref and line.call.speaking, "the history")
        await caller.say(media())
        await eventually(lambda: stand.heard, "the caller's audio")
        assert stand.heard[0].epoch == 4
        assert stand.heard[0].sequence >= (stand.heard[0].at_us - first_us) // 20_000
        await bus.publish_event(ref, SpeechStarted(turn=3, started_us=1, detected_us=2))
        await stand.speak(ref, whole_reply(2, 60, epoch=4))
        await stand.speak(ref, whole_reply(3, 100, epoch=4))
        assert await caller.closed() == (1000, "agent_hung_up")
        assert len(caller.sound) == 5
        await stand.ended()
    ended = [body for body in stand.bodies(PlayoutEnded) if body.reply == 3]
    assert [body.outcome for body in ended] == [Outcome.DONE]
    assert len(stand.bodies(CallStarted)) == 1
    assert {event.call for event in stand.events} == {CALL}


async def _lost_gateway_said(bus: Bus, ref: CallRef) -> int:
    said = await bus.publish_event(
        ref,
        CallStarted(
            called=NUMBERS["to"],
            caller=NUMBERS["from"],
            carrier_call_id="CA1",
            protocol="twilio",
            gateway="gateway-lost",
            assistant="reception",
            language="en",
        ),
    )
    for body in (
        PlayoutEnded(reply=2, outcome=Outcome.DONE, heard_ms=900, heard_sentences=1, ended_us=1),
        SpeechStarted(turn=3, started_us=1, detected_us=2),
        ReplyCompleted(
            reply=3,
            turn=3,
            outcome=Outcome.DONE,
            sentences=1,
            engine="faq",
            first_sentence_ms=1,
            total_ms=2,
            then=Next.HANG_UP,
        ),
    ):
        await bus.publish_event(ref, body)
    assert await bus.settle(5)
    return said.at_us


async def test_a_call_whose_reply_was_its_goodbye_is_hung_up_when_its_leg_returns(stand: Stand) -> None:
    ref = CallRef("bright-smile", CALL)
    await _lost_gateway_said(stand.others.bus, ref)
    await stand.others.bus.publish_event(
        ref, PlayoutEnded(reply=3, outcome=Outcome.DONE, heard_ms=900, heard_sentences=1, ended_us=1)
    )
    assert await stand.others.bus.settle(5)

    async def again(_: OpenCall) -> OpenCallReply:
        return accepted(epoch=4, call=CALL, resumed=True)

    stand.answer = again
    async with Caller.at(stand.app.url) as caller:
        await caller.begin()
        assert await caller.closed() == (1000, "agent_hung_up")
    assert (await stand.ended()).reason is EndReason.AGENT_HUNG_UP


async def test_what_is_said_while_the_call_is_being_opened_is_heard_afterwards(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Subscribed, but not yet accepted: an event that comes then must not fall between."""
    ref = CallRef("bright-smile", CALL)

    async def again(_: OpenCall) -> OpenCallReply:
        return accepted(epoch=4, call=CALL, resumed=True)

    stand.answer = again
    reading, read = asyncio.Event(), asyncio.Event()
    async with Caller.at(stand.app.url) as caller:

        async def slow_past(_: CallRef) -> History:
            await stand.gateway.bus.flush()
            reading.set()
            await read.wait()
            return History()

        await eventually(lambda: stand.app._desk._lines, "the leg")
        (line,) = stand.app._desk._lines.values()
        monkeypatch.setattr(stand.app._desk.questions, "past_of", slow_past)
        await caller.begin()
        await asyncio.wait_for(reading.wait(), 20)
        body = CallEnded(reason=EndReason.COMMANDED, started_us=1, ended_us=2, duration_ms=1)
        await stand.others.bus.publish_event(ref, body)
        await eventually(lambda: line._unheard, "the event")
        read.set()
        assert await caller.closed() == (1000, "commanded")
