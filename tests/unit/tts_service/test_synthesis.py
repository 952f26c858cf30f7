"""A call's speech: frames in order, one outcome a sentence, one end a reply, whatever comes and when."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.frames import Frame, FrameFlag
from contracts.identities import uuid7
from contracts.messages import (
    EngineFailed,
    Event,
    Outcome,
    ReplySentence,
    SentenceSynthesized,
)
from runtime.clock import Clock, SystemClock
from runtime.tasks import TaskOwner
from tests.support.clock import ManualClock
from tests.support.waiting import eventually
from tests.unit.tts_service.scripted import ScriptedEngine, cast_of, engines_of
from tests.unit.tts_service.world import completed
from tts_service.cache import PhraseCache
from tts_service.chain import Chain
from tts_service.ports import Synthesizer
from tts_service.recording import Recorder
from tts_service.scheduling import Turns
from tts_service.synthesis import CallSynthesis

_RNG = Random(3)
_CALL = uuid7(1_767_225_600_000, _RNG)


class RecordingOutlet:
    """Keeps what goes out, in order; raises `fault` for frames when a test sets one."""

    def __init__(self) -> None:
        self.out: list[Frame | SentenceSynthesized | EngineFailed] = []
        self.causes: list[str | None] = []
        self.traces: list[str | None] = []
        self.fault: Exception | None = None

    async def send(self, frames: Sequence[Frame]) -> None:
        if self.fault is not None:
            raise self.fault
        self.out += frames

    async def synthesized(
        self, cause: Event[ReplySentence] | None, body: SentenceSynthesized, trace: str | None
    ) -> None:
        self.out.append(body)
        self.causes.append(cause.id if cause else None)
        self.traces.append(trace)

    async def engine_failed(self, cause: Event[ReplySentence], body: EngineFailed) -> None:
        self.out.append(body)

    @property
    def frames(self) -> list[Frame]:
        return [item for item in self.out if isinstance(item, Frame)]

    @property
    def reports(self) -> list[SentenceSynthesized]:
        return [item for item in self.out if isinstance(item, SentenceSynthesized)]

    @property
    def outcomes(self) -> list[tuple[int, int, Outcome]]:
        return [(report.reply, report.index, report.outcome) for report in self.reports]

    @property
    def reply_ends(self) -> list[int]:
        return [frame.reply for frame in self.frames if frame.flags & FrameFlag.REPLY_END]


class _Call:
    def __init__(
        self,
        clock: Clock | None = None,
        *,
        ahead_s: float = 1000.0,
        gap_s: float = 3.0,
        doubt_s: float = 0.0,
        slots: int = 1,
        start: bool = True,
        **engines: Synthesizer | BaseException,
    ) -> None:
        clock = clock or SystemClock()
        self.failures: list[BaseException] = []
        self.tasks = TaskOwner("test", self.failures.append)
        self.outlet = RecordingOutlet()
        self.engines = engines_of(engines or {"one": ScriptedEngine()})
        self.chain = Chain(
            self.engines,
            Recorder(Turns(slots, clock, self.tasks), clock),
            PhraseCache(1_000_000, self.tasks, lambda _: None),
            clock,
            rest_s=10.0,
            failed=lambda *_: None,
        )
        self.synthesis = CallSynthesis(
            cast_of(*(engines or ["one"])),
            self.chain,
            self.outlet,
            clock=clock,
            tasks=self.tasks,
            open_span=_span,
            ahead_s=ahead_s,
            gap_s=gap_s,
            doubt_s=doubt_s,
        )
        if start:
            self.synthesis.start()
        self.events: dict[tuple[int, int], Event[ReplySentence]] = {}

    async def say(self, reply: int, index: int, text: str | None = None, turn: int | None = None) -> None:
        await self.synthesis.add(self.event(reply, index, text, turn))

    def event(
        self, reply: int, index: int, text: str | None = None, turn: int | None = None
    ) -> Event[ReplySentence]:
        body = ReplySentence(
            reply=reply,
            turn=turn,
            index=index,
            text_pii=text or f"Sentence {reply} {index}.",
            engine="script",
        )
        event = Event[ReplySentence](
            id=uuid7(1_767_225_600_000, _RNG), v=1, at_us=1, tenant="acme", call=_CALL, body=body
        )
        return self.events.setdefault((reply, index), event)

    async def complete(
        self, reply: int, sentences: int, outcome: Outcome = Outcome.DONE, turn: int | None = None
    ) -> None:
        await self.synthesis.complete(completed(reply, sentences, outcome, turn))

    async def until(self, holds: Callable[[], object]) -> None:
        await eventually(holds, "what the test waits for")

    async def settle(self) -> None:
        """Until nothing more goes out by itself."""
        await self.engines.get("one")
        quiet = 0
        while quiet < 40:
            sent = len(self.outlet.out)
            await asyncio.sleep(0)
            quiet = quiet + 1 if len(self.outlet.out) == sent else 0

    async def close(self) -> None:
        await self.synthesis.close()
        await self.tasks.close()
        assert not self.failures


@contextmanager
def _span(parent: str | None) -> Iterator[str | None]:
    yield "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.fixture
async def call() -> AsyncIterator[_Call]:
    made = _Call()
    yield made
    await made.close()


async def test_a_reply_becomes_frames_reports_and_one_end(call: _Call) -> None:
    await call.say(1, 0)
    await call.say(1, 1)
    await call.complete(1, 2)
    await call.until(lambda: call.outlet.reply_ends)
    audio = [frame for frame in call.outlet.frames if frame.payload]
    assert [(frame.reply, frame.sentence) for frame in audio] == [(1, 0)] * 15 + [(1, 1)] * 15
    assert {len(frame.payload) for frame in audio} == {160}
    ends = [number for number, frame in enumerate(audio) if frame.flags & FrameFlag.SENTENCE_END]
    assert ends == [14, 29]
    assert [frame.sequence for frame in call.outlet.frames] == list(range(31))
    last = call.outlet.frames[-1]
    assert (last.payload, last.flags, last.reply, last.sentence) == (b"", FrameFlag.REPLY_END, 1, 2)
    assert call.outlet.outcomes == [(1, 0, Outcome.DONE), (1, 1, Outcome.DONE)]


async def test_the_report_says_who_spoke_for_how_long_and_why(call: _Call) -> None:
    await call.say(1, 0, "Hello.")
    await call.say(1, 1, "Hello.")
    await call.until(lambda: len(call.outlet.reports) == 2)
    made, cached = call.outlet.reports
    assert (made.audio_ms, made.engine, made.voice, made.cached) == (300.0, "one", "anna", False)
    assert made.synthesis_ms > 0
    assert 0 <= made.first_audio_ms < 5000
    assert (cached.audio_ms, cached.cached, cached.synthesis_ms) == (300.0, True, 0.0)
    assert call.outlet.causes == [call.events[1, 0].id, call.events[1, 1].id]
    assert all(call.outlet.traces)


async def test_first_frames_leave_before_the_rest_is_made() -> None:
    gate = asyncio.Semaphore(1)
    call = _Call(one=ScriptedEngine(3, gate=gate))
    await call.say(1, 0)
    await call.until(lambda: len(call.outlet.frames) == 4)  # the fifth of 100 ms may be the last: it is held
    gate.release()
    gate.release()
    await call.until(lambda: call.outlet.reports)
    await call.close()


async def test_a_sentence_without_sound_is_done_and_its_end_is_marked(call: _Call) -> None:
    await call.say(1, 0, "😀")
    await call.until(lambda: call.outlet.reports)
    (frame,) = call.outlet.frames
    assert (frame.payload, frame.flags) == (b"", FrameFlag.SENTENCE_END)
    (report,) = call.outlet.reports
    assert (report.outcome, report.audio_ms, report.engine, report.cached) == (
        Outcome.DONE,
        0.0,
        "one",
        False,
    )


async def test_cancelling_stops_the_engine_and_no_frame_follows() -> None:
    gate = asyncio.Semaphore(1)
    engine = ScriptedEngine(3, gate=gate)
    call = _Call(one=engine)
    await call.say(1, 0)
    await call.say(1, 1)
    await call.until(lambda: call.outlet.frames)
    sent = len(call.outlet.frames)
    await call.synthesis.cancel(1)
    await call.complete(1, 2, Outcome.CANCELLED)
    await call.settle()
    for _ in range(3):
        gate.release()
    await call.until(lambda: len(call.outlet.reports) == 2)
    assert sorted(call.outlet.outcomes) == [(1, 0, Outcome.CANCELLED), (1, 1, Outcome.CANCELLED)]
    assert len(call.outlet.frames) == sent
    assert engine.made == 1
    by_index = {report.index: report for report in call.outlet.reports}
    assert by_index[0].audio_ms == sent * 20
    await call.close()


async def test_after_an_interruption_the_next_reply_is_said(call: _Call) -> None:
    await call.say(1, 0)
    await call.synthesis.interrupt(1)
    await call.say(1, 1)
    await call.say(2, 0, turn=1)
    await call.complete(2, 1, turn=1)
    await call.until(lambda: call.outlet.reply_ends)
    assert (2, 0, Outcome.DONE) in call.outlet.outcomes
    assert (1, 1, Outcome.CANCELLED) in call.outlet.outcomes
    assert call.outlet.reply_ends == [2]


async def test_a_late_interruption_spares_the_answer_to_that_very_turn(call: _Call) -> None:
    await call.say(2, 0, turn=3)
    await call.synthesis.interrupt(3)
    await call.complete(2, 1, turn=3)
    await call.until(lambda: call.outlet.reply_ends)
    assert call.outlet.outcomes == [(2, 0, Outcome.DONE)]


async def test_a_repeated_sentence_is_said_once(call: _Call) -> None:
    for _ in range(3):
        await call.say(1, 0)
    await call.complete(1, 1)
    await call.until(lambda: call.outlet.reply_ends)
    await call.say(1, 0)
    assert call.outlet.outcomes == [(1, 0, Outcome.DONE)]
    assert len(call.outlet.frames) == 16


async def test_when_every_engine_fails_the_reply_still_ends() -> None:
    call = _Call(one=ScriptedEngine(fails_at=0), two=ScriptedEngine(fails_at=0))
    await call.say(1, 0)
    await call.complete(1, 1)
    await call.until(lambda: call.outlet.reply_ends)
    failures = [item for item in call.outlet.out if isinstance(item, EngineFailed)]
    assert [(failed.engine, failed.next_engine) for failed in failures] == [("one", "two"), ("two", None)]
    assert call.outlet.outcomes == [(1, 0, Outcome.FAILED)]
    assert [frame.flags for frame in call.outlet.frames] == [FrameFlag.SENTENCE_END, FrameFlag.REPLY_END]
    await call.close()


async def test_a_sentence_that_breaks_off_ends_with_its_last_frame() -> None:
    call = _Call(one=ScriptedEngine(fails_at=1))
    await call.say(1, 0)
    await call.until(lambda: call.outlet.reports)
    assert [bool(frame.flags & FrameFlag.SENTENCE_END) for frame in call.outlet.frames] == [False] * 4 + [
        True
    ]
    (report,) = call.outlet.reports
    assert (report.outcome, report.audio_ms) == (Outcome.FAILED, 100.0)
    await call.close()


async def test_it_does_not_run_further_ahead_of_the_ear_than_it_may() -> None:
    clock = ManualClock()
    call = _Call(clock, ahead_s=0.5, one=ScriptedEngine(10))
    await call.say(1, 0)
    await call.settle()
    assert len(call.outlet.frames) == 25
    await clock.advance(0.2)
    assert len(call.outlet.frames) == 35
    await clock.advance(10)
    await call.until(lambda: call.outlet.reports)
    assert call.outlet.reports[0].audio_ms == 1000.0
    await call.close()


async def test_cancelling_what_waits_for_the_ear_takes_effect_at_once_and_the_next_reply_need_not_wait() -> (
    None
):
    clock = ManualClock()
    call = _Call(clock, ahead_s=0.5, one=ScriptedEngine(10))
    await call.say(1, 0)
    await call.settle()
    await call.synthesis.cancel(1)
    await call.say(2, 0)
    await call.settle()
    assert len(call.outlet.frames) == 50
    assert call.outlet.outcomes == [(1, 0, Outcome.CANCELLED)]
    await call.close()


async def test_a_sentence_that_never_comes_is_given_up_and_reported() -> None:
    clock = ManualClock()
    call = _Call(clock, gap_s=3.0)
    await call.say(1, 1)
    await call.complete(1, 3)
    await clock.advance(2.9)
    assert call.outlet.out == []
    await clock.advance(0.2)
    await call.until(lambda: (1, 1, Outcome.DONE) in call.outlet.outcomes)
    assert call.outlet.outcomes[0] == (1, 0, Outcome.FAILED)
    assert call.outlet.causes[0] is None
    await clock.advance(3.1)
    await call.until(lambda: call.outlet.reply_ends)
    assert call.outlet.outcomes[2] == (1, 2, Outcome.FAILED)
    await call.close()


async def test_news_do_not_renew_the_patience() -> None:
    clock = ManualClock()
    call = _Call(clock, gap_s=3.0)
    await call.say(1, 1)
    for index in (2, 3, 4):
        await clock.advance(0.9)
        await call.say(1, index)
    await clock.advance(0.4)
    await call.until(lambda: call.outlet.reports)
    assert call.outlet.outcomes[0] == (1, 0, Outcome.FAILED)
    await call.close()


async def test_closing_cancels_what_was_not_said() -> None:
    call = _Call(one=ScriptedEngine(gate=asyncio.Semaphore(1)))
    await call.say(1, 0)
    await call.say(1, 1)
    await call.say(2, 0)
    await call.until(lambda: call.outlet.frames)
    await call.close()
    assert sorted(call.outlet.outcomes) == [
        (1, 0, Outcome.CANCELLED),
        (1, 1, Outcome.CANCELLED),
        (2, 0, Outcome.CANCELLED),
    ]
    assert call.outlet.reply_ends == []


async def test_a_bus_that_takes_no_frames_fails_the_sentence_and_not_the_call(call: _Call) -> None:
    call.outlet.fault = ConnectionError("the bus is away")
    await call.say(1, 0)
    await call.complete(1, 1)
    await call.until(lambda: call.outlet.reports)
    assert call.outlet.outcomes == [(1, 0, Outcome.FAILED)]
    await asyncio.sleep(0)
    call.outlet.fault = None
    await call.say(2, 0, turn=1)
    await call.until(lambda: len(call.outlet.reports) == 2)
    assert call.outlet.outcomes[1] == (2, 0, Outcome.DONE)


_OPERATIONS = st.one_of(
    st.tuples(st.just("say"), st.integers(1, 3), st.integers(0, 3)),
    st.tuples(st.just("complete"), st.integers(1, 3), st.integers(0, 4)),
    st.tuples(st.just("cancelled"), st.integers(1, 3), st.integers(0, 4)),
    st.tuples(st.just("cancel"), st.integers(1, 3), st.just(0)),
    st.tuples(st.just("interrupt"), st.integers(1, 3), st.just(0)),
    st.tuples(st.just("pause"), st.integers(1, 40), st.just(0)),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(_OPERATIONS, max_size=30), st.one_of(st.none(), st.integers(0, 2)))
def test_whatever_comes_in_whatever_order(
    operations: list[tuple[str, int, int]], fails_at: int | None
) -> None:
    async def run() -> None:
        call = _Call(one=ScriptedEngine(2, fails_at=fails_at), two=ScriptedEngine(2))
        await call.settle()
        marks: list[tuple[int, int]] = []  # what had been sent when replies were cancelled
        for operation, number, detail in operations:
            match operation:
                case "say":
                    await call.say(number, detail, turn=number - 1)
                case "complete":
                    await call.complete(number, detail, turn=number - 1)
                case "cancelled":
                    await call.complete(number, detail, Outcome.CANCELLED, turn=number - 1)
                case "cancel":
                    await call.synthesis.cancel(number)
                case "interrupt":
                    await call.synthesis.interrupt(number)
                case _:
                    for _ in range(number):
                        await asyncio.sleep(0)
            if operation in ("cancel", "cancelled"):
                marks.append((number, len(call.outlet.out)))
        await call.settle()
        await call.close()
        _check(call, marks)

    asyncio.run(run())


def _check(call: _Call, marks: list[tuple[int, int]]) -> None:
    out, frames = call.outlet.out, call.outlet.frames
    ended = [(report.reply, report.index) for report in call.outlet.reports]
    assert sorted(ended) == sorted(call.events), "every sentence has exactly one outcome"
    assert [frame.sequence for frame in frames] == list(range(len(frames)))
    order = [(frame.reply, frame.sentence) for frame in frames]
    assert order == sorted(order), "frames come by reply and sentence"
    for _, group in itertools.groupby(frames, key=lambda frame: (frame.reply, frame.sentence)):
        assert not any(frame.flags & FrameFlag.SENTENCE_END for frame in list(group)[:-1])
    assert len(set(call.outlet.reply_ends)) == len(call.outlet.reply_ends)
    for report in call.outlet.reports:
        own = [frame for frame in frames if (frame.reply, frame.sentence) == (report.reply, report.index)]
        own = [frame for frame in own if not frame.flags & FrameFlag.REPLY_END]
        assert report.audio_ms == 20 * sum(bool(frame.payload) for frame in own)
        ends = sum(bool(frame.flags & FrameFlag.SENTENCE_END) for frame in own)
        assert ends == (0 if report.outcome is Outcome.CANCELLED else 1) or (
            report.outcome is Outcome.CANCELLED and ends <= 1
        )
    for through, position in marks:
        assert not any(isinstance(item, Frame) and item.reply <= through for item in out[position:])


@settings(max_examples=60, deadline=None)
@given(st.data(), st.lists(st.integers(0, 4), min_size=1, max_size=4))
def test_replies_in_order_are_said_whole_however_their_own_messages_are_mixed(
    data: st.DataObject, lengths: list[int]
) -> None:
    async def run() -> None:
        call = _Call(one=ScriptedEngine(2))
        for reply, length in enumerate(lengths, start=1):
            messages: list[int | None] = [None, *range(length), *range(length)]
            for message in data.draw(st.permutations(messages)):
                if message is None:
                    await call.complete(reply, length)
                else:
                    await call.say(reply, message)
                for _ in range(data.draw(st.integers(0, 3))):
                    await asyncio.sleep(0)
        await call.settle()
        expected = [
            (reply, index) for reply, length in enumerate(lengths, start=1) for index in range(length)
        ]
        assert call.outlet.outcomes == [(*key, Outcome.DONE) for key in expected]
        assert call.outlet.reply_ends == list(range(1, len(lengths) + 1))
        assert len(call.outlet.frames) == 10 * len(expected) + len(lengths)
        await call.close()

    asyncio.run(run())


# -- another gateway, another worker -----------------------------------------------------------------


async def test_a_lost_gateway_gets_no_more_and_the_next_one_all_that_was_not_heard() -> None:
    clock = ManualClock()
    call = _Call(clock)
    for index in range(3):
        await call.say(1, index)  # 300 ms each
    await call.complete(1, 3)
    await call.settle()
    await clock.advance(0.45)  # the first was heard, and half of the second
    call.synthesis.detach()
    await call.say(1, 2)  # again, as it happens
    sent = len(call.outlet.frames)
    await call.settle()
    assert len(call.outlet.frames) == sent
    call.synthesis.attach()
    await call.settle()
    again = call.outlet.frames[sent:]
    assert [frame.sentence for frame in again if frame.payload] == [1] * 15 + [2] * 15
    assert again[-1].flags == FrameFlag.REPLY_END
    assert call.outlet.outcomes == [(1, index, Outcome.DONE) for index in range(3)]
    await call.close()


async def test_what_ended_shortly_before_the_loss_was_noticed_is_said_again() -> None:
    clock = ManualClock()
    call = _Call(clock, doubt_s=0.2)
    await call.say(1, 0)
    await call.say(1, 1)
    await call.settle()
    await clock.advance(0.45)
    sent = len(call.outlet.frames)
    call.synthesis.attach()  # the word of the loss did not come
    await call.settle()
    assert {frame.sentence for frame in call.outlet.frames[sent:]} == {0, 1}
    await call.close()


async def test_a_sentence_that_the_loss_broke_off_is_made_again_and_reported_once() -> None:
    gate = asyncio.Semaphore(1)
    call = _Call(one=ScriptedEngine(3, gate=gate))
    await call.say(1, 0)
    await call.until(lambda: len(call.outlet.frames) == 4)
    call.synthesis.detach()
    await call.settle()
    assert call.outlet.reports == []
    for _ in range(6):
        gate.release()
    call.synthesis.attach()
    await call.until(lambda: call.outlet.reports)
    assert [frame.sequence for frame in call.outlet.frames] == list(range(19))
    assert call.outlet.outcomes == [(1, 0, Outcome.DONE)]
    assert call.outlet.reports[0].audio_ms == 300
    await call.close()


async def test_what_was_cancelled_is_not_said_to_the_next_gateway(call: _Call) -> None:
    await call.say(1, 0, turn=1)
    await call.settle()
    call.synthesis.detach()
    await call.synthesis.interrupt(2)
    call.synthesis.attach()
    sent = len(call.outlet.frames)
    await call.settle()
    assert len(call.outlet.frames) == sent


async def test_speech_that_is_told_of_twice_silences_once(call: _Call) -> None:
    await call.synthesis.interrupt(2)
    await call.say(2, 0, turn=1)  # what was interrupted goes on, for it was no speech
    await call.synthesis.interrupt(2)
    await call.until(lambda: call.outlet.reports)
    assert call.outlet.outcomes == [(2, 0, Outcome.DONE)]


async def test_a_replacement_says_what_the_gateway_does_not_hold() -> None:
    call = _Call(start=False)
    call.synthesis.recall([(1, 0), (2, 0)])
    for reply, index in ((1, 0), (2, 0), (2, 1), (3, 0), (3, 1), (3, 2)):
        await call.say(reply, index, turn=reply)
        if (reply, index) == (1, 0):
            await call.complete(1, 1)
            await call.synthesis.heard(1)
        if (reply, index) == (2, 1):
            await call.synthesis.interrupt(3)
    assert call.outlet.outcomes == [(2, 1, Outcome.CANCELLED)], "of the others the record tells"
    await call.complete(3, 3)
    call.synthesis.skip(3, 1)
    call.synthesis.start()
    await call.until(lambda: call.outlet.reply_ends)
    assert [frame.sentence for frame in call.outlet.frames if frame.payload] == [1] * 15 + [2] * 15
    assert call.outlet.outcomes[1:] == [(3, 1, Outcome.DONE), (3, 2, Outcome.DONE)]
    await call.close()
