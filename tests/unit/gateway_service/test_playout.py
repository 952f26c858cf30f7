"""Playout in virtual time: exact pacing, and what was heard, with marks and without."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.frames import Codec, Frame, FrameFlag
from contracts.messages import Message, Outcome, PlayoutEnded, PlayoutStarted
from gateway_service.playout import Pace, Playout
from tests.unit.gateway_service.agent_audio import FRAME_US, frame, payload, reply_end, sentence, whole_reply

START_US = 1_000_000_000


@dataclass
class Caller:
    """Ticks a playout every 20 ms, plays what it gets gaplessly, and echoes marks once they were played."""

    playout: Playout
    echo: bool = True
    delay_us: int = 0  # from playing to the mark's arrival at the gateway
    now_us: int = START_US
    sent: list[tuple[int, bytes]] = field(default_factory=list)
    news: list[Message] = field(default_factory=list)
    _plays_until_us: int = 0
    _marks: list[tuple[int, str]] = field(default_factory=list)

    def tick(self, ticks: int = 1) -> None:
        for _ in range(ticks):
            self.now_us += FRAME_US
            self.send()

    def send(self) -> None:
        due = [mark for mark in self._marks if mark[0] <= self.now_us]
        self._marks = self._marks[len(due) :]
        for _, name in due:
            self.playout.mark_played(name, self.now_us)
        for sound in self.playout.due(self.now_us):
            if sound.payload:
                self.sent.append((self.now_us, sound.payload))
            self._plays_until_us = max(self._plays_until_us, self.now_us) + len(sound.payload) * 125
            if sound.mark and self.echo:
                self._marks.append((self._plays_until_us + self.delay_us, sound.mark))
        self.news += self.playout.news(self.now_us)

    def put(self, frames: Iterable[Frame]) -> None:
        for one in frames:
            assert self.playout.put(one) is None

    def interrupt(self) -> bool:
        cleared = self.playout.clear(self.now_us)
        self.news += self.playout.news(self.now_us)
        return cleared

    @property
    def ended(self) -> list[PlayoutEnded]:
        return [body for body in self.news if isinstance(body, PlayoutEnded)]

    @property
    def started(self) -> list[PlayoutStarted]:
        return [body for body in self.news if isinstance(body, PlayoutStarted)]


@pytest.fixture
def caller() -> Caller:
    return Caller(Playout(Pace(), since=1))


@pytest.fixture
def silent() -> Caller:
    """A caller that never echoes a mark."""
    return Caller(Playout(Pace(), since=1), echo=False)


# -- pacing ------------------------------------------------------------------------------------------


def test_the_lead_goes_out_at_once_and_then_one_frame_a_tick(caller: Caller) -> None:
    caller.put(sentence(1, 0, 1000))
    caller.send()
    assert [at for at, _ in caller.sent] == [START_US] * 3
    caller.tick(20)
    assert [at for at, _ in caller.sent[3:]] == [START_US + n * FRAME_US for n in range(1, 21)]


def test_frames_leave_in_order_and_none_is_lost(caller: Caller) -> None:
    caller.put(whole_reply(1, 400, 600))
    caller.tick(60)
    expected = [payload(n) for n in range(20)] + [payload(n) for n in range(30)]
    assert [sound for _, sound in caller.sent] == expected


def test_a_late_tick_sends_no_more_than_the_lead(caller: Caller) -> None:
    caller.put(sentence(1, 0, 4000))
    caller.tick(5)
    before = len(caller.sent)
    caller.now_us += 700_000
    caller.send()
    assert len(caller.sent) - before == 3


def test_the_first_frame_leaving_is_told_once(caller: Caller) -> None:
    caller.put(sentence(1, 0, 200))
    caller.tick(20)
    assert caller.started == [PlayoutStarted(reply=1, first_frame_us=START_US + FRAME_US)]


def test_a_gap_in_mid_sentence_is_waited_out(caller: Caller) -> None:
    frames = list(whole_reply(1, 400))
    caller.put(frames[:10])
    caller.tick(40)
    assert len(caller.sent) == 10
    assert not caller.ended
    caller.put(frames[10:])
    caller.tick(30)
    assert len(caller.sent) == 20
    (ended,) = caller.ended
    assert (ended.outcome, ended.heard_ms, ended.heard_sentences) == (Outcome.DONE, 400.0, 1)


def test_replies_follow_each_other_without_a_gap(caller: Caller) -> None:
    caller.put(whole_reply(1, 200))
    caller.put(whole_reply(2, 200))
    caller.tick(40)
    assert [at for at, _ in caller.sent[3:]] == [START_US + n * FRAME_US for n in range(2, 19)]
    assert [(one.reply, one.outcome) for one in caller.ended] == [(1, Outcome.DONE), (2, Outcome.DONE)]
    assert [one.reply for one in caller.started] == [1, 2]


@given(st.integers(0, 19_999), st.lists(st.integers(-4_000, 4_000), min_size=20, max_size=60))
def test_uneven_ticks_still_send_one_frame_each(offset_us: int, jitter_us: list[int]) -> None:
    """Whenever the first frame came between two ticks: one tick may send nothing, once, to find its step."""
    playout = Playout(Pace(), since=1)
    for number in range(200):
        playout.put(frame(1, 0, number))
    playout.due(START_US)
    ticks = [START_US + max(0, offset_us + n * FRAME_US + jitter) for n, jitter in enumerate(jitter_us)]
    counts = [len(playout.due(at)) for at in ticks]
    assert counts.count(1) >= len(counts) - 1
    assert set(counts) <= {0, 1}


@given(st.lists(st.integers(min_value=1, max_value=90_000), min_size=1, max_size=80), st.integers(1, 200))
def test_never_more_than_the_lead_ahead_of_real_time(steps_us: list[int], frames: int) -> None:
    playout = Playout(Pace(lead_us=60_000), since=1)
    for number in range(frames):
        playout.put(frame(1, 0, number))
    now_us = sounds_until_us = START_US
    sent = []
    for step_us in steps_us:
        now_us += step_us
        for sound in playout.due(now_us):
            sounds_until_us = max(sounds_until_us, now_us) + FRAME_US
            sent.append(sound.payload)
        assert sounds_until_us <= now_us + 60_000 + FRAME_US
    assert sent == [payload(number) for number in range(len(sent))]


# -- done --------------------------------------------------------------------------------------------


def test_a_reply_is_done_when_its_last_mark_comes_back(caller: Caller) -> None:
    caller.delay_us = 160_000
    caller.put(whole_reply(1, 400, 600))
    caller.send()
    caller.tick(57)
    assert not caller.ended  # 1140 ms on: the last mark, sent at 1000 ms of sound, is still under way
    caller.tick(2)
    (ended,) = caller.ended
    assert ended == PlayoutEnded(
        reply=1,
        outcome=Outcome.DONE,
        heard_ms=1000.0,
        heard_sentences=2,
        partial_ms=0.0,
        ended_us=START_US + 47 * FRAME_US,
    )
    assert caller.playout.idle


def test_without_marks_the_clock_says_when_it_is_done(silent: Caller) -> None:
    silent.put(whole_reply(1, 400))
    silent.send()
    silent.tick(19)
    assert not silent.ended
    silent.tick()
    assert (silent.ended[0].outcome, silent.ended[0].heard_ms) == (Outcome.DONE, 400.0)


def test_a_last_mark_that_is_lost_holds_a_reply_for_the_grace_alone(caller: Caller) -> None:
    caller.put(whole_reply(1, 1000))
    caller.tick(30)
    caller.echo = False
    caller.tick(21)
    assert not caller.ended
    caller.tick(99)
    assert not caller.ended
    caller.tick(1)
    assert caller.ended[0].outcome is Outcome.DONE


def test_marks_come_at_sentence_ends_and_in_between() -> None:
    playout = Playout(Pace(lead_us=10_000_000, mark_every_us=300_000), since=1)
    for one in whole_reply(3, 700, 200):
        playout.put(one)
    marks = [sound.mark for sound in playout.due(START_US) if sound.mark]
    assert marks == ["3.0.300", "3.0.600", "3.0.700", "3.1.900"]


def test_a_reply_whose_end_was_lost_is_marked_and_ended_by_the_next(caller: Caller) -> None:
    caller.put(frame(1, 0, n) for n in range(5))
    caller.put(whole_reply(2, 200))
    caller.tick(30)
    assert [(one.reply, one.outcome, one.heard_ms) for one in caller.ended] == [
        (1, Outcome.DONE, 100.0),
        (2, Outcome.DONE, 200.0),
    ]


def test_a_sentence_end_that_was_lost_is_seen_at_the_next_sentence(caller: Caller) -> None:
    caller.put(frame(1, 0, n) for n in range(10))
    caller.put(sentence(1, 1, 400))
    caller.tick(25)
    caller.interrupt()
    assert caller.ended[0].heard_sentences == 1


def test_a_lost_reply_end_is_known_from_the_number_of_sentences(caller: Caller) -> None:
    caller.put(sentence(1, 0, 200))
    caller.put(sentence(1, 1, 200))
    caller.playout.complete(1, Outcome.DONE, 2, caller.now_us)
    caller.tick(25)
    assert (caller.ended[0].outcome, caller.ended[0].heard_sentences) == (Outcome.DONE, 2)


def test_more_sentences_than_promised_are_dropped_and_break_nothing(caller: Caller) -> None:
    caller.put(sentence(1, 0, 60))
    caller.playout.complete(1, Outcome.DONE, 1, caller.now_us)
    caller.send()
    caller.put(sentence(1, 1, 400))
    caller.tick(40)
    assert [one.reply for one in caller.ended] == [1]
    assert caller.playout.idle


def test_a_sentence_that_failed_counts_among_those_before_the_next() -> None:
    """Its index stands for it: the llm counts sentences from the first, heard or not."""
    caller = Caller(Playout(Pace(), since=1))
    caller.put([frame(1, 0)._replace(payload=b"", flags=FrameFlag.SENTENCE_END)])
    caller.put(sentence(1, 1, 200))
    caller.put([reply_end(1, 2)])
    caller.tick(20)
    assert (caller.ended[0].heard_ms, caller.ended[0].heard_sentences) == (200.0, 2)


# -- upstream ----------------------------------------------------------------------------------------


def test_a_failed_reply_with_nothing_to_play_ends(caller: Caller) -> None:
    caller.playout.complete(1, Outcome.FAILED, 0, caller.now_us)
    caller.tick()
    assert caller.ended == [
        PlayoutEnded(reply=1, outcome=Outcome.FAILED, heard_ms=0, heard_sentences=0, ended_us=caller.now_us)
    ]


def test_a_failed_reply_is_played_as_far_as_it_goes(caller: Caller) -> None:
    caller.put(whole_reply(1, 200))
    caller.playout.complete(1, Outcome.FAILED, 1, caller.now_us)
    caller.tick(15)
    assert (caller.ended[0].outcome, caller.ended[0].heard_ms) == (Outcome.FAILED, 200.0)


def test_an_empty_reply_is_done(caller: Caller) -> None:
    caller.playout.complete(1, Outcome.DONE, 0, caller.now_us)
    caller.tick()
    assert caller.ended[0].outcome is Outcome.DONE


def test_a_reply_without_any_sound_failed(caller: Caller) -> None:
    caller.put([reply_end(1)])
    caller.tick()
    assert caller.ended[0].outcome is Outcome.FAILED
    assert not caller.started


def test_a_cancelled_reply_is_cut(caller: Caller) -> None:
    caller.put(sentence(1, 0, 1000))
    caller.tick(10)
    assert caller.playout.complete(1, Outcome.CANCELLED, 1, caller.now_us)
    caller.tick(5)
    assert len(caller.sent) == 12
    assert (caller.ended[0].outcome, caller.ended[0].heard_ms) == (Outcome.CANCELLED, 180.0)


def test_a_reply_cancelled_before_any_sound_ends_and_asks_for_no_clear(caller: Caller) -> None:
    assert not caller.playout.complete(1, Outcome.CANCELLED, 1, caller.now_us)
    caller.tick()
    assert (caller.ended[0].outcome, caller.ended[0].heard_ms) == (Outcome.CANCELLED, 0.0)


def test_a_complete_reply_whose_audio_stays_away_is_given_up(caller: Caller) -> None:
    caller.put(frame(1, 0, n) for n in range(10))
    caller.playout.complete(1, Outcome.DONE, 2, caller.now_us)
    caller.tick(10 + 250)
    assert not caller.ended
    caller.tick(1)
    assert (caller.ended[0].outcome, caller.ended[0].heard_ms) == (Outcome.FAILED, 200.0)


def test_a_reply_that_a_tool_holds_up_is_given_up_much_later(caller: Caller) -> None:
    caller.put(sentence(1, 0, 200))
    caller.tick(10 + 1500)
    assert not caller.ended
    caller.tick(1)
    assert (caller.ended[0].outcome, caller.ended[0].heard_sentences) == (Outcome.FAILED, 1)


def test_what_is_told_twice_changes_nothing(caller: Caller) -> None:
    caller.put(whole_reply(1, 100))
    caller.playout.complete(1, Outcome.DONE, 1, caller.now_us)
    caller.tick(10)
    caller.playout.complete(1, Outcome.DONE, 1, caller.now_us)
    caller.playout.complete(1, Outcome.CANCELLED, 1, caller.now_us)
    caller.tick(10)
    assert len(caller.ended) == 1


# -- barge-in ----------------------------------------------------------------------------------------


def test_an_interruption_in_mid_sentence_by_marks(caller: Caller) -> None:
    caller.delay_us = 100_000
    caller.put(whole_reply(1, 400, 1000))
    caller.send()
    caller.tick(50)  # 1000 ms of it have sounded, 60 ms more are out, marks are 100 ms behind
    assert caller.interrupt()
    (ended,) = caller.ended
    assert ended.outcome is Outcome.CANCELLED
    assert ended.heard_sentences == 1
    assert ended.heard_ms == 900.0  # what the marks could know by now, and the clock from the last of them
    assert ended.partial_ms == 500.0
    assert ended.ended_us == caller.sent[-1][0]


def test_an_interruption_in_mid_sentence_by_the_clock(silent: Caller) -> None:
    silent.put(whole_reply(1, 400, 1000))
    silent.send()
    silent.tick(50)
    assert silent.interrupt()
    ended = silent.ended[0]
    assert (ended.heard_ms, ended.heard_sentences, ended.partial_ms) == (1000.0, 1, 600.0)


def test_a_sentence_counts_once_its_mark_is_back() -> None:
    caller = Caller(Playout(Pace(), since=1), delay_us=500_000)
    caller.put(whole_reply(1, 200, 300, 1000))
    caller.send()
    caller.tick(40)
    caller.interrupt()
    ended = caller.ended[0]
    assert ended.heard_sentences == 1  # the second ended 300 ms ago, and its mark is not back yet
    assert ended.heard_ms == pytest.approx(300.0)


def test_nothing_is_sent_after_an_interruption(caller: Caller) -> None:
    caller.put(sentence(1, 0, 2000))
    caller.tick(10)
    caller.interrupt()
    caller.tick(50)
    assert len(caller.sent) == 12
    assert caller.playout.idle


def test_an_interruption_of_nothing_says_nothing(caller: Caller) -> None:
    assert not caller.interrupt()
    assert not caller.news


def test_every_reply_that_is_known_is_cut_begun_or_not(caller: Caller) -> None:
    caller.put(sentence(1, 0, 400))
    caller.put(sentence(2, 0, 400))
    caller.playout.complete(3, Outcome.DONE, 1, caller.now_us)
    caller.tick(5)
    assert caller.interrupt()
    assert [(one.reply, one.outcome) for one in caller.ended] == [
        (1, Outcome.CANCELLED),
        (2, Outcome.CANCELLED),
        (3, Outcome.CANCELLED),
    ]
    assert [one.heard_ms > 0 for one in caller.ended] == [True, False, False]
    assert caller.playout.put(frame(3)) == "stale_reply"
    assert caller.playout.put(frame(4)) is None


def test_marks_that_a_clear_sends_back_count_for_nothing(caller: Caller) -> None:
    caller.delay_us = 200_000
    caller.put(sentence(1, 0, 1000))
    caller.tick(20)
    waiting = [name for _, name in caller._marks]
    assert waiting
    caller.interrupt()
    for name in waiting:
        caller.playout.mark_played(name, caller.now_us)
    caller.put(whole_reply(2, 200))
    caller.tick(25)
    assert [(one.reply, one.heard_ms) for one in caller.ended][1] == (2, 200.0)
    assert caller.ended[0].heard_ms <= 400.0


def test_playing_begins_anew_at_once_after_an_interruption(caller: Caller) -> None:
    caller.put(sentence(1, 0, 1000))
    caller.tick(10)
    caller.interrupt()
    caller.put(sentence(2, 0, 1000))
    before = len(caller.sent)
    caller.send()
    assert len(caller.sent) - before == 3


def test_a_cancelled_reply_leaves_a_newer_one_alone(caller: Caller) -> None:
    caller.put(sentence(1, 0, 400))
    caller.put(whole_reply(2, 200))
    caller.tick(5)
    assert caller.playout.complete(1, Outcome.CANCELLED, 1, caller.now_us)
    caller.tick(20)
    assert [(one.reply, one.outcome) for one in caller.ended] == [(1, Outcome.CANCELLED), (2, Outcome.DONE)]


# -- what is refused ---------------------------------------------------------------------------------


def test_frames_of_an_older_epoch_are_dropped(caller: Caller) -> None:
    assert caller.playout.put(frame(1, epoch=2)) is None
    assert caller.playout.put(frame(1, epoch=1)) == "stale_epoch"
    assert caller.playout.put(frame(1, epoch=0)) == "stale_epoch"


def test_frames_of_a_reply_that_is_over_are_dropped(caller: Caller) -> None:
    caller.put(whole_reply(2, 100))
    caller.tick(10)
    assert caller.ended
    assert caller.playout.put(frame(2)) == "stale_reply"
    assert caller.playout.put(frame(1)) == "stale_reply"


def test_a_codec_that_the_caller_cannot_play_is_dropped(caller: Caller) -> None:
    assert caller.playout.put(frame(1)._replace(codec=Codec.PCM16)) == "codec"
    assert caller.playout.put(frame(1)._replace(rate_hz=16_000)) == "codec"
    assert caller.playout.idle


def test_beyond_the_limit_the_newest_are_dropped_and_the_reply_still_ends() -> None:
    caller = Caller(Playout(Pace(limit_us=1_000_000), since=1))
    refused = [caller.playout.put(one) for one in whole_reply(1, 1200)]
    assert refused == [None] * 50 + ["playout_full"] * 10 + [None]
    caller.tick(70)
    assert [sound for _, sound in caller.sent] == [payload(n) for n in range(50)]
    assert (caller.ended[0].outcome, caller.ended[0].heard_sentences) == (Outcome.DONE, 1)


def test_a_mark_of_nobodys_says_nothing(silent: Caller) -> None:
    silent.put(sentence(1, 0, 1000))
    silent.tick(10)
    for name in ("", "1.0.99999", "9.0.300", "junk"):
        silent.playout.mark_played(name, silent.now_us)
    silent.interrupt()
    assert silent.ended[0].heard_ms == 180.0  # by the clock: no mark of ours has come back


# -- whatever happens --------------------------------------------------------------------------------

FRAMES = st.builds(
    frame,
    reply=st.integers(1, 4),
    sentence=st.integers(0, 3),
    number=st.integers(0, 255),
    epoch=st.integers(0, 2),
    flags=st.sampled_from([FrameFlag.NONE, FrameFlag.SENTENCE_END, FrameFlag.REPLY_END]),
)
ACTIONS = st.lists(
    st.tuples(st.just("put"), FRAMES)
    | st.tuples(st.just("tick"), st.integers(1, 30))
    | st.tuples(st.just("end"), st.integers(1, 4))
    | st.tuples(st.just("clear"), st.none())
    | st.tuples(
        st.just("complete"),
        st.tuples(st.integers(1, 4), st.sampled_from(Outcome), st.integers(0, 3)),
    ),
    max_size=60,
)


@given(ACTIONS, st.booleans(), st.integers(0, 400_000))
def test_every_reply_ends_once_in_order_and_no_more_is_heard_than_was_sent(
    actions: list[tuple[str, Any]], echo: bool, delay_us: int
) -> None:
    caller = Caller(Playout(Pace(), since=1), echo=echo, delay_us=delay_us)
    known = set()
    for what, how in actions:
        match what:
            case "put":
                if caller.playout.put(how) is None:
                    known.add(how.reply)
            case "tick":
                caller.tick(how)
            case "end":
                if caller.playout.put(reply_end(how, epoch=2)) is None:
                    known.add(how)
            case "clear":
                caller.interrupt()
            case "complete":
                reply, outcome, sentences = how
                caller.playout.complete(reply, outcome, sentences, caller.now_us)
                known.add(reply)
    caller.tick(100)
    caller.interrupt()
    assert caller.playout.idle
    ended = [one.reply for one in caller.ended]
    assert ended == sorted(set(ended))
    assert set(ended) <= known
    assert {one.reply for one in caller.started} <= set(ended)
    sent_ms = len(caller.sent) * 20
    assert sum(one.heard_ms for one in caller.ended) <= sent_ms
    for one in caller.ended:
        assert 0 <= one.partial_ms <= one.heard_ms
        assert one.heard_sentences <= 4


@given(st.integers(1, 60), st.integers(1, 60), st.integers(0, 130), st.booleans(), st.integers(0, 300_000))
def test_what_is_heard_is_true_to_the_callers_own_clock(
    first: int, second: int, ticks: int, echo: bool, delay_us: int
) -> None:
    """However it is interrupted, the gateway believes no more than the caller played, and at most what the
    marks' way back hides less.
    """
    caller = Caller(Playout(Pace(), since=1), echo=echo, delay_us=delay_us)
    caller.put(whole_reply(1, first * 20, second * 20))
    caller.send()
    caller.tick(ticks)
    caller.interrupt()
    (ended,) = caller.ended
    played_ms = min((first + second) * 20.0, ticks * 20.0)
    whole = [ms for ms in (first * 20.0, (first + second) * 20.0) if ms <= played_ms]
    assert ended.heard_ms <= played_ms
    assert ended.heard_ms >= played_ms - (delay_us / 1000 + 20 if echo else 0)
    assert ended.heard_sentences <= len(whole)
    if not echo:
        assert (ended.heard_ms, ended.heard_sentences) == (played_ms, len(whole))
