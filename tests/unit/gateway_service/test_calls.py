"""One call's life in virtual time, from the leg's start to its end: what is published, and when."""

import weakref
from collections.abc import Iterable
from dataclasses import dataclass, field
from random import Random
from typing import Any

import pytest

from contracts.examples.practice import CALL, RECEPTION
from contracts.frames import Codec, Frame
from contracts.identities import uuid7
from contracts.messages import (
    CallDetached,
    CallEnded,
    CallReassigned,
    CallStarted,
    DtmfReceived,
    EndReason,
    Event,
    LegEnded,
    Message,
    Next,
    OpenCall,
    OpenCallReply,
    Outcome,
    PlayoutEnded,
    PlayoutStarted,
    Replaced,
    ReplyCompleted,
    Role,
    SpeechStarted,
    TakeOver,
    TurnEnded,
)
from gateway_service.call_states import State
from gateway_service.calls import Call
from gateway_service.errors import BadMessage, OutOfOrder, StaleTakeOver
from gateway_service.playout import Pace
from gateway_service.ports import DigitPressed, HungUp, LegStarted, MarkPlayed
from tests.unit.gateway_service.agent_audio import FRAME_US, frame, in_frames, payload, sentence, whole_reply

START_US = 1_000_000_000
STARTED = LegStarted("CA1", "+15550100", "+15550142", "twilio")
ACCEPTED = OpenCallReply(
    tenant=CALL.tenant,
    epoch=3,
    number="+15550100",
    workers={Role.STT: "stt-1", Role.LLM: "llm-1", Role.TTS: "tts-1"},
    assistant=RECEPTION,
)
SOUND = b"\x7f" * 160
TURN_ENDED = TurnEnded(
    turn=1,
    text_pii="Hello",
    language="en",
    confidence=1.0,
    speech_started_us=START_US,
    speech_ended_us=START_US,
    decided_us=START_US,
    audio_ms=1,
    decode_ms=1,
    engine="whisper",
)


@dataclass
class RecordingLeg:
    """A leg that keeps what it was told, by frames and by messages; `full` is a caller who does not read."""

    sent: list[tuple[bytes, str | None]] = field(default_factory=list)
    messages: int = 0
    cleared: int = 0
    closed: list[tuple[int, str]] = field(default_factory=list)
    full: bool = False

    def send_audio(self, payload: bytes, mark: str | None) -> bool:
        if not self.full:
            self.messages += 1
            *before, last = in_frames(payload) or [b""]
            self.sent += [(sound, None) for sound in before]
            self.sent.append((last, mark))
        return not self.full

    def clear(self) -> None:
        self.cleared += 1

    def close(self, code: int, reason: str) -> None:
        self.closed.append((code, reason))


@dataclass
class Counts:
    """A meter."""

    frames_in: int = 0
    out: int = 0
    why: list[str] = field(default_factory=list)

    def came_in(self) -> None:
        self.frames_in += 1

    def went_out(self, frames: int) -> None:
        self.out += frames

    def dropped(self, why: str) -> None:
        self.why.append(why)


@dataclass
class Stand:
    """A call, its leg and the time."""

    leg: RecordingLeg = field(default_factory=RecordingLeg)
    meter: Counts = field(default_factory=Counts)
    now_us: int = START_US

    def __post_init__(self) -> None:
        self.call = Call(CALL.call, "gateway-1", self.leg, self.meter, Pace(), kept_frames=5)

    def talk(self, **changes: Any) -> list[Any]:
        self.call.begin(STARTED)
        return self.call.accept(ACCEPTED.model_copy(update=changes), self.now_us)

    def tick(self, ticks: int) -> list[Any]:
        told = []
        for _ in range(ticks):
            self.now_us += FRAME_US
            told += self.call.tick(self.now_us)
        return told

    def play(self, frames: Iterable[Frame]) -> list[Any]:
        return self.call.play(list(frames), self.now_us)

    def as_event(self, body: Message, epoch: int) -> Event[Any]:
        return Event(
            id=uuid7(START_US, Random(1)),
            v=1,
            at_us=self.now_us,
            tenant=CALL.tenant,
            call=CALL.call,
            epoch=epoch,
            body=body,
        )

    def event(self, body: Message, epoch: int = 3) -> list[Any]:
        """As the handlers do: what is not believed is not shown to it."""
        event = self.as_event(body, epoch)
        return self.call.on_event(event, self.now_us) if self.call.believes(event) else []


def speech(turn: int) -> SpeechStarted:
    return SpeechStarted(turn=turn, started_us=0, detected_us=0)


def completed(
    reply: int, outcome: Outcome = Outcome.DONE, sentences: int = 1, then: Next = Next.LISTEN
) -> ReplyCompleted:
    return ReplyCompleted(
        reply=reply,
        turn=1,
        outcome=outcome,
        sentences=sentences,
        engine="faq",
        first_sentence_ms=1,
        total_ms=1,
        then=then,
    )


def the_end(told: list[Message]) -> LegEnded:
    """The one thing told: that the leg has ended."""
    (ended,) = told
    assert isinstance(ended, LegEnded)
    return ended


@pytest.fixture
def stand() -> Stand:
    return Stand()


@pytest.fixture
def talking() -> Stand:
    stand = Stand()
    stand.talk(epoch=1)
    return stand


# -- opening -----------------------------------------------------------------------------------------


def test_a_start_becomes_a_question_to_the_session(stand: Stand) -> None:
    assert stand.call.begin(STARTED) == OpenCall(
        call=CALL.call, called="+15550100", caller="+15550142", carrier_call_id="CA1", gateway="gateway-1"
    )
    assert stand.call.state is State.OPENING


def test_an_accepted_call_has_started(stand: Stand) -> None:
    assert stand.talk() == [
        CallStarted(
            called="+15550100",
            caller="+15550142",
            carrier_call_id="CA1",
            protocol="twilio",
            gateway="gateway-1",
            assistant=RECEPTION.id,
            language=RECEPTION.language,
        )
    ]
    assert stand.call.ref == CALL


def test_a_second_start_is_out_of_order(talking: Stand) -> None:
    with pytest.raises(OutOfOrder):
        talking.call.begin(STARTED)


@pytest.mark.parametrize("signal", [DigitPressed("1"), MarkPlayed("1.0.20")])
def test_a_key_or_a_mark_before_the_start_is_out_of_order(
    stand: Stand, signal: DigitPressed | MarkPlayed
) -> None:
    with pytest.raises(OutOfOrder):
        stand.call.on_signal(signal, START_US)


def test_media_before_the_start_is_out_of_order(stand: Stand) -> None:
    with pytest.raises(OutOfOrder, match="media before start"):
        stand.call.hear(SOUND, START_US)


def test_what_is_said_while_opening_is_kept_the_newest_first_to_stay(stand: Stand) -> None:
    stand.call.begin(STARTED)
    for number in range(8):
        assert stand.call.hear(payload(number), START_US + number) is None
    stand.call.accept(ACCEPTED, START_US + 100)
    kept = stand.call.kept()
    assert [(one.sequence, one.at_us, one.payload) for one in kept] == [
        (n - 2, START_US + n, payload(n)) for n in range(3, 8)
    ]
    assert stand.meter.why == ["opening"] * 3
    assert stand.call.kept() == []


def test_keys_pressed_while_opening_are_told_after_the_start(stand: Stand) -> None:
    stand.call.begin(STARTED)
    assert stand.call.on_signal(DigitPressed("4"), START_US) == []
    assert stand.call.accept(ACCEPTED, START_US)[1:] == [DtmfReceived(digit_pii="4")]


def test_a_caller_who_leaves_while_opening_is_told_of_when_the_session_accepts(stand: Stand) -> None:
    stand.call.begin(STARTED)
    assert stand.call.gone(EndReason.CALLER_HUNG_UP, "", START_US) == []
    (ended,) = stand.call.accept(ACCEPTED, START_US)
    assert isinstance(ended, LegEnded)
    assert ended.reason is EndReason.CALLER_HUNG_UP
    assert stand.call.ref == CALL


def test_a_refused_call_is_closed_with_the_reason_and_nothing_is_published(stand: Stand) -> None:
    stand.call.begin(STARTED)
    assert stand.call.fail(BadMessage("no", mend="yes"), START_US) == []
    assert stand.leg.closed == [(1007, "no (yes)")]
    assert stand.call.gone(EndReason.CALLER_HUNG_UP, "", START_US) == []
    assert stand.call.state is State.ENDED


# -- talking -----------------------------------------------------------------------------------------


def test_the_callers_frames_are_numbered_and_stamped(stand: Stand) -> None:
    stand.talk()
    first = stand.call.hear(SOUND, START_US + 7)
    second = stand.call.hear(SOUND, START_US + 20_007)
    assert first == Frame(Codec.MULAW, 8000, 1, START_US + 7, SOUND, epoch=3)
    assert second is not None
    assert (second.sequence, second.at_us) == (2, START_US + 20_007)
    assert stand.meter.frames_in == 2


def test_a_key_is_told(talking: Stand) -> None:
    assert talking.call.on_signal(DigitPressed("#"), START_US) == [DtmfReceived(digit_pii="#")]


def test_the_first_frame_leaves_as_it_comes_and_is_told(talking: Stand) -> None:
    told = talking.play(sentence(1, 0, 400))
    assert told == [PlayoutStarted(reply=1, first_frame_us=START_US)]
    assert [sound for sound, _ in talking.leg.sent] == [payload(0), payload(1), payload(2)]
    assert talking.leg.messages == 1


def test_what_is_due_together_leaves_in_as_many_messages_as_it_has_marks(talking: Stand) -> None:
    talking.play(whole_reply(1, 400))
    for _ in range(12):
        talking.now_us += FRAME_US
        talking.tick(1)
    sounds = [sound for sound, _ in talking.leg.sent if sound]
    assert sounds == [payload(number) for number in range(20)]
    assert talking.leg.messages == 10


def test_a_reply_that_was_heard_is_told(talking: Stand) -> None:
    talking.play(whole_reply(1, 400))
    told = talking.tick(30)
    assert [type(body) for body in told] == [PlayoutEnded]
    assert talking.meter.out == 20
    assert not talking.call.speaking


def test_marks_say_when_a_reply_was_heard(talking: Stand) -> None:
    talking.play(whole_reply(1, 320))
    talking.tick(3)
    early = [mark for _, mark in talking.leg.sent if mark]
    talking.tick(10)
    marks = [mark for _, mark in talking.leg.sent if mark]
    assert early == []
    assert marks == ["1.0.300", "1.0.320"]
    talking.call.on_signal(MarkPlayed(marks[0]), talking.now_us)
    assert talking.tick(10) == []  # this caller echoes marks, so the last one is waited for
    (ended,) = talking.call.on_signal(MarkPlayed(marks[1]), talking.now_us)
    assert isinstance(ended, PlayoutEnded)
    assert (ended.outcome, ended.heard_ms) == (Outcome.DONE, 320.0)


def test_a_slow_reader_loses_frames_and_the_call_goes_on(talking: Stand) -> None:
    talking.leg.full = True
    talking.play(whole_reply(1, 400))
    told = talking.tick(30)
    assert [type(body) for body in told] == [PlayoutEnded]
    assert talking.meter.why == ["slow_reader"] * 20
    talking.leg.full = False
    talking.play(whole_reply(2, 100))
    talking.tick(10)
    assert len(talking.leg.sent) == 5
    ended = the_end(talking.call.gone(EndReason.CALLER_HUNG_UP, "", talking.now_us))
    assert (ended.frames_out, ended.frames_dropped) == (5, 20)


def test_quiet_counts_from_the_last_media(stand: Stand) -> None:
    assert stand.call.quiet_us(START_US) == 0
    stand.talk()
    assert stand.call.quiet_us(START_US + 5) == 5
    stand.call.hear(SOUND, START_US + 100)
    assert stand.call.quiet_us(START_US + 150) == 50
    stand.call.gone(EndReason.CALLER_HUNG_UP, "", START_US)
    assert stand.call.quiet_us(START_US + 900) == 0


# -- barge-in ----------------------------------------------------------------------------------------


def test_speech_cuts_the_agent_short(talking: Stand) -> None:
    talking.play(whole_reply(1, 2000))
    talking.tick(10)
    (ended,) = talking.event(speech(1))
    assert talking.leg.cleared == 1
    assert (ended.outcome, ended.heard_ms) == (Outcome.CANCELLED, 200.0)
    assert talking.tick(10) == []
    assert talking.call.play([frame(1)], talking.now_us) == []
    assert talking.meter.why == ["stale_reply"]


def test_an_event_of_a_turn_cuts_once(talking: Stand) -> None:
    talking.event(speech(1))
    talking.play(whole_reply(1, 2000))
    assert talking.event(speech(1)) == []
    assert talking.event(speech(0)) == []
    assert talking.call.speaking


def test_a_turn_whose_beginning_was_lost_cuts_at_its_end(talking: Stand) -> None:
    talking.play(whole_reply(1, 2000))
    turn = TurnEnded(
        turn=1,
        text_pii="hello",
        language="en",
        confidence=1,
        speech_started_us=0,
        speech_ended_us=0,
        decided_us=0,
        audio_ms=1,
        decode_ms=1,
        engine="whisper",
    )
    (ended,) = talking.event(turn)
    assert ended.outcome is Outcome.CANCELLED


def test_an_assistant_that_is_not_to_be_interrupted_is_not(stand: Stand) -> None:
    stand.talk(epoch=1, assistant=RECEPTION.model_copy(update={"barge_in": False}))
    stand.play(whole_reply(1, 200))
    assert stand.event(speech(1)) == []
    assert stand.leg.cleared == 0
    (ended,) = stand.tick(15)
    assert ended.outcome is Outcome.DONE


def test_speech_over_silence_clears_nothing(talking: Stand) -> None:
    assert talking.event(speech(1)) == []
    assert talking.leg.cleared == 0


def test_a_reply_on_its_way_when_the_caller_speaks_is_not_played(talking: Stand) -> None:
    """Its text was complete before, its audio comes after: without this, the caller would hear it."""
    talking.event(completed(1))
    (ended,) = talking.event(speech(1))
    assert (ended.reply, ended.outcome, ended.heard_ms) == (1, Outcome.CANCELLED, 0.0)
    talking.play(sentence(1, 0, 200))
    assert not talking.leg.sent
    assert talking.leg.cleared == 0


def test_a_reply_cancelled_upstream_is_cut(talking: Stand) -> None:
    talking.play(sentence(1, 0, 400))
    (ended,) = talking.event(completed(1, Outcome.CANCELLED))
    assert (talking.leg.cleared, ended.outcome) == (1, Outcome.CANCELLED)


# -- the end -----------------------------------------------------------------------------------------


def test_the_agent_hangs_up_once_its_goodbye_was_heard(talking: Stand) -> None:
    talking.play(whole_reply(1, 400))
    assert talking.event(completed(1, then=Next.HANG_UP)) == []
    told = talking.tick(30)
    assert [type(body) for body in told] == [PlayoutEnded, LegEnded]
    assert told[1].reason is EndReason.AGENT_HUNG_UP
    assert (told[1].frames_in, told[1].frames_out) == (0, 20)
    assert talking.leg.closed == [(1000, "agent_hung_up")]


def test_a_goodbye_that_was_heard_before_it_was_complete_ends_the_call_too(talking: Stand) -> None:
    talking.play(whole_reply(1, 100))
    talking.tick(10)
    (ended,) = talking.event(completed(1, then=Next.HANG_UP))
    assert ended.reason is EndReason.AGENT_HUNG_UP


def test_a_goodbye_that_is_interrupted_does_not_end_the_call(talking: Stand) -> None:
    talking.play(whole_reply(1, 400))
    talking.event(completed(1, then=Next.HANG_UP))
    talking.tick(5)
    talking.event(speech(1))
    talking.tick(50)
    assert talking.event(completed(1, then=Next.HANG_UP)) == []
    assert not talking.leg.closed


def test_a_goodbye_without_any_sound_still_ends_the_call(talking: Stand) -> None:
    told = talking.event(completed(1, Outcome.FAILED, sentences=0, then=Next.HANG_UP))
    assert [type(body) for body in told] == [PlayoutEnded, LegEnded]


def test_a_goodbye_heard_while_a_later_reply_waits_ends_the_call_and_cuts_the_rest(talking: Stand) -> None:
    talking.play(whole_reply(1, 100))
    talking.event(completed(1, then=Next.HANG_UP))
    talking.play(whole_reply(2, 400))
    told = talking.tick(10)
    assert [type(body) for body in told[-3:]] == [PlayoutEnded, PlayoutEnded, LegEnded]
    assert [body.outcome for body in told[-3:-1]] == [Outcome.DONE, Outcome.CANCELLED]


def test_the_carriers_stop_ends_what_is_played_and_then_the_leg(talking: Stand) -> None:
    talking.call.hear(SOUND, START_US)
    talking.play(whole_reply(1, 400))
    told = talking.call.on_signal(HungUp(), talking.now_us)
    ended = the_end(told[1:])
    assert [type(body) for body in told] == [PlayoutEnded, LegEnded]
    assert (ended.reason, ended.frames_in, ended.frames_out) == (EndReason.CALLER_HUNG_UP, 1, 3)
    assert talking.call.gone(EndReason.CONNECTION_LOST, "", talking.now_us) == []


def test_the_audio_kept_of_a_leg_that_is_gone_is_freed_at_once(talking: Stand) -> None:
    kept = weakref.ref(talking.call._ring)
    talking.call.gone(EndReason.CALLER_HUNG_UP, "", talking.now_us)
    assert kept() is None


def test_a_lost_connection_is_told_once(talking: Stand) -> None:
    ended = the_end(talking.call.gone(EndReason.CONNECTION_LOST, "reset", START_US))
    assert (ended.reason, ended.detail) == (EndReason.CONNECTION_LOST, "reset")
    assert talking.call.gone(EndReason.CONNECTION_LOST, "reset", START_US) == []
    assert not talking.leg.closed


def test_a_fault_of_the_carrier_ends_its_call(talking: Stand) -> None:
    ended = the_end(talking.call.fail(BadMessage("junk", mend="send JSON"), START_US))
    assert (ended.reason, ended.detail) == (EndReason.PROTOCOL_ERROR, "junk (send JSON)")
    assert talking.leg.closed == [(1007, "junk (send JSON)")]
    assert talking.call.fail(BadMessage("again"), START_US) == []


@pytest.mark.parametrize("reason", [EndReason.COMMANDED, EndReason.GHOST])
def test_a_command_ends_the_leg_for_its_own_reason(talking: Stand, reason: EndReason) -> None:
    ended = the_end(talking.call.hang_up(reason, "by hand", START_US))
    assert (ended.reason, ended.detail) == (reason, "by hand")
    assert talking.leg.closed == [(1000, reason.value)]
    assert talking.call.hang_up(reason, "by hand", START_US) == []


def test_a_call_that_the_session_ended_is_closed(talking: Stand) -> None:
    gone = CallEnded(reason=EndReason.FAILED, detail="x", started_us=0, ended_us=1, duration_ms=1)
    (ended,) = talking.event(gone)
    assert ended.reason is EndReason.FAILED
    assert talking.leg.closed == [(1000, "failed")]


def test_a_gateway_that_stops_says_that_it_goes_away(talking: Stand) -> None:
    talking.call.hang_up(EndReason.DRAINED, "", START_US)
    assert talking.leg.closed[0][0] == 1012


def test_after_the_end_nothing_is_heard_played_or_told(talking: Stand) -> None:
    talking.call.hang_up(EndReason.COMMANDED, "", START_US)
    assert talking.call.hear(SOUND, START_US) is None
    assert talking.play(whole_reply(1, 100)) == []
    assert talking.event(speech(1)) == []
    assert talking.event(completed(1, then=Next.HANG_UP)) == []
    assert talking.call.on_signal(DigitPressed("1"), START_US) == []
    assert talking.tick(5) == []
    assert not talking.leg.sent
    assert set(talking.meter.why) == {"call_over"}


# -- processes come and go ---------------------------------------------------------------------------


def take_over(role: Role, epoch: int = 2, after_us: int = 0) -> TakeOver:
    return TakeOver(role=role, process=f"{role}-2", epoch=epoch, after_us=after_us)


def reassigned(role: Role, epoch: int, process: str = "other-2") -> CallReassigned:
    return CallReassigned(role=role, process=process, epoch=epoch, before="other-1", why=Replaced.LOST)


def said_by_the_caller(stand: Stand, count: int) -> list[Frame | None]:
    frames = []
    for number in range(count):
        stand.now_us += FRAME_US
        frames.append(stand.call.hear(payload(number), stand.now_us))
    return frames


def sent_again(stand: Stand) -> list[Frame]:
    return list(iter(stand.call.resend, None))


def test_a_new_stt_worker_hears_again_what_came_after_then_what_came_meanwhile_then_the_rest(
    talking: Stand,
) -> None:
    before = said_by_the_caller(talking, 6)
    assert before[1] is not None
    answer = talking.call.take_over(take_over(Role.STT, after_us=before[1].at_us), talking.now_us)
    assert answer.frames == 4
    assert talking.call.resend() == before[2]
    assert said_by_the_caller(talking, 2) == [None, None]
    again = sent_again(talking)
    assert [frame.sequence for frame in again] == [4, 5, 6, 7, 8]
    assert again[:3] == before[3:]
    (live,) = said_by_the_caller(talking, 1)
    assert live is not None
    assert live.sequence == 9
    assert sent_again(talking) == []


def test_what_is_said_while_the_bus_is_lost_follows_when_it_is_back(talking: Stand) -> None:
    before = said_by_the_caller(talking, 12)
    talking.call.hold(talking.now_us)
    assert said_by_the_caller(talking, 2) == [None, None]
    talking.call.hold(talking.now_us)  # lost once more
    again = sent_again(talking)
    assert [frame.sequence for frame in again] == list(range(3, 15)), "200 ms may have been lost on their way"
    assert again[:10] == before[2:]
    assert not talking.call.holds


def test_a_take_over_said_again_changes_nothing(talking: Stand) -> None:
    said_by_the_caller(talking, 3)
    command = take_over(Role.STT)
    answer = talking.call.take_over(command, talking.now_us)
    assert len(sent_again(talking)) == 3
    said_by_the_caller(talking, 2)
    assert talking.call.take_over(command, talking.now_us) == answer
    assert sent_again(talking) == []
    talking.call.take_over(take_over(Role.STT, epoch=3), talking.now_us)
    assert len(sent_again(talking)) == 5


def test_who_was_replaced_itself_takes_nothing_over(talking: Stand) -> None:
    talking.call.take_over(take_over(Role.STT, epoch=3), talking.now_us)
    with pytest.raises(StaleTakeOver, match=r"stt-2 takes over stt in epoch 2 .* since 3 \(let go"):
        talking.call.take_over(take_over(Role.STT), talking.now_us)
    talking.call.take_over(take_over(Role.TTS), talking.now_us)


def test_a_new_tts_worker_learns_what_is_held_and_the_sentence_goes_on_without_a_gap(talking: Stand) -> None:
    talking.play(sentence(1, 0, 200))
    half = list(sentence(1, 1, 400))
    talking.play(half[:10])
    talking.event(reassigned(Role.TTS, 2), epoch=0)
    talking.play(half[10:])  # too late
    assert talking.meter.why == ["stale_epoch"] * 10
    answer = talking.call.take_over(take_over(Role.TTS), talking.now_us)
    assert (answer.reply, answer.sentences, answer.frames) == (1, 1, 0)
    talking.tick(40)  # it is made anew meanwhile, and the caller hears nothing
    talking.play(sentence(1, 1, 400, epoch=2))
    talking.event(completed(1, sentences=2), epoch=1)
    told = talking.tick(40)
    assert [sound for sound, _ in talking.leg.sent if sound] == [payload(n) for n in [*range(10), *range(20)]]
    assert [(body.outcome, body.heard_sentences) for body in told] == [(Outcome.DONE, 2)]


def test_a_tts_worker_whose_frames_were_lost_says_the_sentence_anew_in_its_own_epoch(talking: Stand) -> None:
    talking.play(sentence(1, 0, 200))
    for lost_from in (4, 12):  # the bus is lost twice
        talking.play(list(sentence(1, 1, 400))[:lost_from])
        answer = talking.call.take_over(take_over(Role.TTS, epoch=1), talking.now_us)
        assert (answer.reply, answer.sentences) == (1, 1)
    talking.play(sentence(1, 1, 400))
    talking.event(completed(1, sentences=2), epoch=1)
    told = talking.tick(60)
    assert [sound for sound, _ in talking.leg.sent if sound] == [payload(n) for n in [*range(10), *range(20)]]
    assert [(body.outcome, body.heard_sentences) for body in told[-1:]] == [(Outcome.DONE, 2)]


def test_waiting_for_a_new_tts_worker_begins_anew(talking: Stand) -> None:
    talking.play(list(sentence(1, 0, 400))[:5])
    talking.event(completed(1), epoch=1)
    assert talking.tick(4 * 50)[-1:] == []
    talking.event(reassigned(Role.TTS, 2), epoch=0)
    assert talking.tick(4 * 50) == []
    assert [body.outcome for body in talking.tick(2 * 50)] == [Outcome.FAILED]


def test_a_completion_that_is_said_again_is_one(talking: Stand) -> None:
    talking.event(completed(1, sentences=1), epoch=1)
    talking.event(completed(1, sentences=5), epoch=1)
    talking.play(sentence(1, 0, 100))
    assert [body.outcome for body in talking.tick(20) if isinstance(body, PlayoutEnded)] == [Outcome.DONE]


@pytest.mark.parametrize(
    ("role", "stale"), [(Role.STT, [True, False]), (Role.LLM, [False, True]), (Role.TTS, [False, False])]
)
def test_an_older_epoch_is_stale_for_the_role_that_was_replaced_alone(
    talking: Stand, role: Role, stale: list[bool]
) -> None:
    talking.call.believes(talking.as_event(reassigned(role, 2), epoch=0))
    events = [talking.as_event(body, epoch=1) for body in (speech(1), completed(1))]
    assert [not talking.call.believes(event) for event in events] == stale
    assert talking.call.believes(talking.as_event(speech(1), epoch=2))


def test_the_border_of_a_call_that_goes_on_is_what_the_session_says(stand: Stand) -> None:
    assert stand.talk(epoch=4, resumed=True, since={Role.TTS: 2, Role.GATEWAY: 4}) == []
    stand.play(sentence(1, 0, 100, epoch=1))
    assert stand.meter.why == ["stale_epoch"] * 5
    stand.play(sentence(1, 0, 100, epoch=2))
    assert len(stand.leg.sent) == 3
    assert stand.call.believes(stand.as_event(speech(1), epoch=1))


@pytest.mark.parametrize(
    ("body", "lets_go"),
    [
        (reassigned(Role.GATEWAY, 2, "gateway-2"), True),
        (reassigned(Role.GATEWAY, 2, "gateway-1"), True),
        (reassigned(Role.GATEWAY, 1, "gateway-1"), False),
        (CallDetached(gateway="gateway-1", wait_s=15), True),
        (CallDetached(gateway="gateway-2", wait_s=15), False),
    ],
)
def test_a_leg_whose_call_is_elsewhere_is_let_go_of_without_a_word(
    talking: Stand, body: Message, lets_go: bool
) -> None:
    talking.play(sentence(1, 0, 400))
    talking.now_us += 1
    assert talking.event(body, epoch=0) == []
    assert talking.leg.closed == ([(1012, "the call is elsewhere")] if lets_go else [])
    assert talking.call.over is lets_go


def test_an_older_detachment_is_not_that_of_this_leg(talking: Stand) -> None:
    assert talking.event(CallDetached(gateway="gateway-1", wait_s=15), epoch=0) == []
    assert not talking.call.over


def test_a_leg_is_engaged_from_the_callers_word_to_the_end_of_the_answer(talking: Stand) -> None:
    def engaged() -> bool:
        return talking.call.engaged

    assert not engaged()
    talking.event(speech(1), epoch=1)
    assert engaged()
    talking.event(TURN_ENDED, epoch=1)
    talking.play(whole_reply(1, 200))
    assert engaged()
    talking.tick(20)
    for _, mark in talking.leg.sent:
        if mark:
            talking.call.on_signal(MarkPlayed(mark), talking.now_us)
    talking.tick(200)
    assert not engaged()


def test_a_drained_leg_says_that_it_ended_and_leaves_its_reply_unended(talking: Stand) -> None:
    talking.play(sentence(1, 0, 400))
    ended = the_end(talking.call.drain(talking.now_us))
    assert (ended.reason, ended.frames_out) == (EndReason.DRAINED, 3)
    assert talking.leg.closed == [(1012, "drained")]
    assert talking.call.drain(talking.now_us) == []
    assert talking.call.gone(EndReason.CALLER_HUNG_UP, "", talking.now_us) == []


def test_a_leg_that_was_not_answered_yet_is_drained_too(stand: Stand) -> None:
    stand.call.begin(STARTED)
    assert stand.call.drain(START_US) == []
    assert stand.leg.closed == [(1012, "drained")]
