"""A call whose llm worker is lost at any moment goes on as if it had not been."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

import pytest

import llm_service.recollection
from contracts.identities import uuid7
from contracts.messages import (
    DtmfReceived,
    Event,
    Message,
    Next,
    Outcome,
    ReplyCompleted,
    ReplySentence,
    SpeechStarted,
)
from llm_service.chain import Chain
from llm_service.dialogue import Dialogue, Said
from llm_service.errors import OutOfOrder
from llm_service.ports import Line, Speaker
from llm_service.recollection import Recollection, causes_first, last_turns, recollect
from tests.support.clock import ManualClock
from tests.support.records import STARTED
from tests.unit.llm_service.scripted import ScriptedEngine, assistant, turn
from tests.unit.llm_service.scripted import Step as ScriptStep
from tests.unit.llm_service.test_dialogue import dismissed, played, speech, synthesized

_RNG = random.Random(11)
_CALL = uuid7(1_767_225_600_000, _RNG)
ANSWER = "Yes, we are. Until one. Anything else?"
CALLER, AGENT, KEYPAD = Speaker.CALLER, Speaker.AGENT, Speaker.KEYPAD


@dataclass
class Record:
    """The stream of one call, and the workers that hold it one after the other."""

    scripts: tuple[list[ScriptStep], ...] = ([ANSWER],)
    changes: dict[str, object] = field(default_factory=dict)
    clock: ManualClock = field(default_factory=ManualClock)
    events: list[Event[Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.replace()

    def replace(self) -> Recollection:
        """The worker is lost; another one takes the call from the record."""
        self.engine = ScriptedEngine(*self.scripts)
        self.dialogue = Dialogue(assistant(**self.changes), Chain({"model": self.engine}), self.clock)
        return recollect(self.dialogue, self.events, self.clock)

    def put(self, body: Message, cause: Event[Any] | None = None) -> Event[Any]:
        event = Event[Any](
            id=uuid7(1_767_225_600_000, _RNG),
            v=1,
            at_us=self.clock.now_us(),
            tenant="acme",
            call=_CALL,
            cause=cause.id if cause else None,
            body=body,
        )
        self.events.append(event)
        return event

    async def hear(self, body: Message, stop_after: int | None = None) -> None:
        """What a worker does that lives; with `stop_after`, one that dies after so many words of its own."""
        event = self.put(body)
        step = self.dialogue.take_in(body)
        if step.stop is not None and (cut := self.dialogue.cut(step.stop)) is not None:
            self.put(cut, event)
        if step.reply is not None and stop_after != 0:
            await self._say(self.dialogue.speak(step.reply), event, stop_after)

    async def go_on(self) -> list[Said]:
        """Another worker takes the call and says what is left to say."""
        before = len(self.events)
        left = self.replace()
        for completed in left.owed:
            self.put(completed)
        if left.reply is not None:
            reply, cause = left.reply
            await self._say(self.dialogue.speak(reply), cause, None)
        return [event.body for event in self.events[before:]]

    async def _say(self, speaking: Any, cause: Event[Any], stop_after: int | None) -> None:
        async for body in speaking:
            self.put(body, cause)
            if stop_after is not None and (stop_after := stop_after - 1) == 0:
                break
        await speaking.aclose()

    def said(self, reply: int) -> list[tuple[int, str]]:
        bodies = [event.body for event in self.events]
        return [
            (body.index, body.text_pii)
            for body in bodies
            if isinstance(body, ReplySentence) and body.reply == reply
        ]

    def ends(self, reply: int) -> list[tuple[Outcome, int, Next]]:
        bodies = [event.body for event in self.events]
        return [
            (body.outcome, body.sentences, body.then)
            for body in bodies
            if isinstance(body, ReplyCompleted) and body.reply == reply
        ]


GREETED = [(0, "Bright Smile, good morning."), (1, "How can I help you?")]
ANSWERED = [(0, "Yes, we are."), (1, "Until one."), (2, "Anything else?")]
LISTEN, HANG_UP = Next.LISTEN, Next.HANG_UP


@pytest.mark.parametrize("said", range(3))
async def test_a_greeting_is_said_once_whenever_the_worker_is_lost(said: int) -> None:
    record = Record()
    await record.hear(STARTED, stop_after=said)
    await record.go_on()
    assert record.said(1) == GREETED
    assert record.ends(1) == [(Outcome.DONE, 2, LISTEN)]


@pytest.mark.parametrize("said", range(4))
@pytest.mark.parametrize(
    "again",
    [
        [ANSWER],  # one that begins from the start
        [" ".join(text for _, text in ANSWERED)],
        [ANSWER.upper()],
    ],
)
async def test_an_answer_goes_on_after_what_was_said_of_it(said: int, again: list[ScriptStep]) -> None:
    record = Record()
    await record.hear(STARTED)
    await record.hear(turn(1, "Are you open?"), stop_after=said)
    record.scripts = (again,)
    await record.go_on()
    assert [index for index, _ in record.said(2)] == [0, 1, 2]
    assert [text.casefold() for _, text in record.said(2)] == [text.casefold() for _, text in ANSWERED]
    assert record.ends(2) == [(Outcome.DONE, 3, LISTEN)]


async def test_a_model_is_told_what_was_said_and_its_own_words_follow() -> None:
    record = Record()
    await record.hear(STARTED)
    await record.hear(turn(1, "Are you open?"), stop_after=1)
    record.scripts = (["We close at one. Come by!"],)
    await record.go_on()
    assert record.engine.prompts[0].said_pii == "Yes, we are."
    assert record.said(2) == [(0, "Yes, we are."), (1, "We close at one."), (2, "Come by!")]


async def test_a_worker_may_be_lost_again_and_again() -> None:
    record = Record()
    await record.hear(STARTED, stop_after=1)
    await record.go_on()
    await record.hear(turn(1, "Are you open?"), stop_after=1)
    record.put(ReplySentence(reply=2, turn=1, index=1, text_pii="Until one.", engine="model"))
    await record.go_on()
    assert (record.said(1), record.said(2)) == (GREETED, ANSWERED)
    assert await record.go_on() == []


async def test_every_moment_of_a_call_gives_the_same_memory_and_the_same_next_reply() -> None:
    whole = Record()
    await _a_long_call(whole)
    for until in range(len(whole.events) + 1):
        one, other = Record(events=whole.events[:until]), Record(events=whole.events[:until])
        await one.go_on()
        await other.go_on()
        left = other.replace()
        assert left == Recollection()
        assert other.dialogue.lines == one.dialogue.lines
    assert Record(events=whole.events).dialogue.lines == whole.dialogue.lines


async def _a_long_call(record: Record) -> None:
    await record.hear(STARTED)
    await record.hear(played(1, Outcome.DONE, 2))
    await record.hear(DtmfReceived(digit_pii="5"))
    await record.hear(turn(1, "Are you open?"))
    await record.hear(synthesized(2, 0, 800.0))
    await record.hear(speech(2))
    await record.hear(played(2, Outcome.CANCELLED, 1, 200.0))
    await record.hear(dismissed(2))
    await record.hear(played(3, Outcome.DONE, 2))
    await record.hear(turn(3, "And on Sunday?"))
    await record.hear(speech(4))
    await record.hear(played(4, Outcome.CANCELLED, 1))
    await record.hear(turn(4, "Thanks, goodbye."))


async def test_memory_holds_only_what_was_heard() -> None:
    record = Record()
    await _a_long_call(record)
    record.replace()
    assert record.dialogue.lines == (
        Line(AGENT, "Bright Smile, good morning. How can I help you?"),
        Line(KEYPAD, "5"),
        Line(CALLER, "Are you open?"),
        Line(AGENT, "Yes, we are. Until one. Anything else?"),
        Line(CALLER, "And on Sunday?"),
        Line(AGENT, "Yes, we are."),
        Line(CALLER, "Thanks, goodbye."),
        Line(AGENT, "Thank you for calling. Goodbye."),
    )


@pytest.mark.parametrize("said", range(4))
async def test_a_farewell_still_ends_the_call(said: int) -> None:
    record = Record()
    await record.hear(STARTED)
    await record.hear(turn(1, "Goodbye!"), stop_after=said)
    await record.go_on()
    assert record.said(2) == [(0, "Thank you for calling."), (1, "Goodbye.")]
    assert record.ends(2) == [(Outcome.DONE, 2, HANG_UP)]


@pytest.mark.parametrize(
    "silencing", [speech(2), played(2, Outcome.CANCELLED, 1), turn(2, "No, wait.")], ids=type
)
async def test_a_reply_that_was_silenced_is_owed_its_end_and_not_resumed(silencing: Message) -> None:
    record = Record()
    await record.hear(STARTED)
    await record.hear(turn(1, "Are you open?"), stop_after=1)
    record.put(silencing)
    await record.go_on()
    assert record.said(2) == ANSWERED[:1]
    assert record.ends(2) == [(Outcome.CANCELLED, 1, LISTEN)]


async def test_what_was_interrupted_by_no_speech_goes_on_at_the_replacement() -> None:
    record = Record()
    await record.hear(STARTED)
    await record.hear(turn(1, "Are you open?"), stop_after=2)
    record.put(speech(2))
    record.put(played(2, Outcome.CANCELLED, 1))
    record.put(dismissed(2))
    record.scripts = (["Anything else?"],)
    await record.go_on()
    assert record.ends(2) == [(Outcome.CANCELLED, 2, LISTEN)]
    assert [text for _, text in record.said(3)] == ["Until one.", "Anything else?"]


@pytest.mark.parametrize("said", [1, 2, 3])
async def test_an_excuse_that_was_begun_is_ended_and_the_call_with_it(said: int) -> None:
    record = Record(scripts=([RuntimeError("broken")],))
    await record.hear(STARTED)
    await record.hear(turn(1, "Are you open?"), stop_after=said)
    record.scripts = ([ANSWER],)
    await record.go_on()
    if said == 1:  # it was lost after `engine.failed`, before a word
        assert record.ends(2) == [(Outcome.DONE, 3, LISTEN)]
    else:
        assert record.said(2) == [(0, "I am sorry, that does not work now."), (1, "Goodbye.")]
        assert record.ends(2) == [(Outcome.FAILED, 2, HANG_UP)]


async def test_a_filler_is_not_said_twice_and_is_no_part_of_the_answer() -> None:
    record = Record(changes={"fillers": ("One moment, please.",)})
    await record.hear(STARTED)
    cause = record.put(turn(1, "Are you open?"))
    filler = ReplySentence(reply=2, turn=1, index=0, text_pii="One moment, please.", engine="script")
    record.put(filler, cause)
    await record.go_on()
    assert record.engine.prompts[0].said_pii == ""
    assert record.said(2)[1:] == [(index + 1, text) for index, text in ANSWERED]


async def test_a_sentence_that_the_stream_never_got_leaves_its_index_free() -> None:
    record = Record()
    await record.hear(STARTED)
    cause = record.put(turn(1, "Are you open?"))
    record.put(ReplySentence(reply=2, turn=1, index=1, text_pii="Until one.", engine="model"), cause)
    await record.go_on()
    assert [index for index, _ in record.said(2)] == [1, 2, 3]


async def test_the_record_is_right_about_a_reply_s_number() -> None:
    """A reply that this worker would have numbered otherwise, because it reads another order of events."""
    record = Record()
    await record.hear(STARTED)
    cause = record.put(turn(1, "Are you open?"))
    record.put(ReplySentence(reply=5, turn=1, index=0, text_pii="Yes, we are.", engine="model"), cause)
    await record.go_on()
    assert record.said(5) == ANSWERED
    await record.hear(turn(2, "And on Sunday?"))
    assert record.said(6) == ANSWERED


async def test_a_cause_that_was_stored_after_its_effect_is_read_before_it() -> None:
    record = Record()
    await record.hear(STARTED)
    await record.hear(turn(1, "Are you open?"))
    late = next(index for index, event in enumerate(record.events) if event.body == turn(1, "Are you open?"))
    record.events.append(record.events.pop(late))
    assert [event.body.turn for event in causes_first(record.events) if hasattr(event.body, "turn")][-5] == 1
    assert await record.go_on() == []
    assert record.dialogue.lines[-2:] == (Line(CALLER, "Are you open?"), Line(AGENT, ANSWER))


@pytest.mark.parametrize("again", [speech(1), speech(2), turn(1, "Are you open?"), dismissed(1)], ids=repr)
async def test_what_comes_again_changes_nothing(again: SpeechStarted) -> None:
    record = Record()
    await record.hear(STARTED)
    await record.hear(turn(1, "Are you open?"))
    await record.hear(played(2, Outcome.DONE, 3))
    await record.hear(speech(2))
    await record.hear(dismissed(2))
    before, lines = len(record.events), record.dialogue.lines
    await record.hear(again)
    assert (len(record.events), record.dialogue.lines) == (before + 1, lines)


async def test_times_are_counted_from_the_turn_and_not_from_the_replacement() -> None:
    record = Record()
    await record.hear(STARTED)
    cause = record.put(turn(1, "Are you open?"))
    record.clock.tick(0.25)
    record.put(ReplySentence(reply=2, turn=1, index=0, text_pii="Yes, we are.", engine="model"), cause)
    record.clock.tick(1.75)
    (*_, completed) = await record.go_on()
    assert isinstance(completed, ReplyCompleted)
    assert (completed.first_sentence_ms, completed.total_ms) == (250.0, 2000.0)


async def _turns(record: Record, count: int, rng: random.Random) -> None:
    """A call of many turns: answers that are heard, cut, not ended, gone on with after a cough."""
    await record.hear(STARTED)
    turn_number = 0
    for _ in range(count):
        turn_number += 1
        await record.hear(speech(turn_number))
        if rng.random() < 0.2:
            await record.hear(DtmfReceived(digit_pii=rng.choice("0123456789")))
        if rng.random() < 0.2:
            await record.hear(dismissed(turn_number))
            continue
        said = rng.choice(("Are you open?", "And on Sunday?", " ")) if rng.random() < 0.9 else "Goodbye."
        await record.hear(turn(turn_number, said))
        last = max(event.body.reply for event in record.events if hasattr(event.body, "reply"))
        await record.hear(synthesized(last, 0, 800.0))
        happens = rng.random()
        if happens < 0.7:
            await _heard(record, played(last, Outcome.DONE, 3))
        elif happens < 0.9:
            await _heard(record, played(last, Outcome.CANCELLED, 1, 200.0))


async def _heard(record: Record, body: Message) -> None:
    """As a worker hears it, who refuses what does not fit."""
    try:
        await record.hear(body)
    except OutOfOrder:
        assert record.events[-1].body == body


@pytest.mark.parametrize("memory", [0, 1, 4])
@pytest.mark.parametrize("seed", range(8))
async def test_the_end_of_a_record_gives_the_dialogue_that_the_whole_gives(
    seed: int, memory: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Record(changes={"memory_turns": memory})
    await _turns(whole, 30, random.Random(seed))
    for until in range(len(whole.events), len(whole.events) - 20, -1):
        with monkeypatch.context() as patched:
            patched.setattr(llm_service.recollection, "last_turns", lambda *_: None)
            every_word = Record(events=whole.events[:until], changes=whole.changes)
            left = every_word.replace()
        begins = next(at for at in range(until, 0, -1) if last_turns(whole.events[at:until], memory))
        for end in (begins, begins - 1, begins - 7):
            part = Record(events=whole.events[end:until], changes=whole.changes)
            left_of_part = part.replace()
            assert part.dialogue.lines == every_word.dialogue.lines
            assert left_of_part.owed == left.owed
            assert _next_reply(left_of_part) == _next_reply(left)
            await every_word.hear(turn(99, "And now?"), stop_after=1)
            await part.hear(turn(99, "And now?"), stop_after=1)
            assert part.events[-1].body == every_word.events[-1].body
            every_word.events = whole.events[:until]
            every_word.replace()


def _next_reply(left: Recollection) -> object:
    if left.reply is None:
        return None
    reply, cause = left.reply
    return reply.number, reply.said, reply.plan, cause.id


async def test_a_record_of_few_turns_is_wanted_whole() -> None:
    record = Record(changes={"memory_turns": 1})
    await record.hear(STARTED)
    for number in (1, 2, 3):
        assert last_turns(record.events, 1) is None
        await record.hear(turn(number, "Are you open?"))
    last = last_turns(record.events, 1)
    assert last is not None
    assert (last.events[0].body, last.replies_before) == (turn(1, "Are you open?"), 1)


async def test_a_turn_that_nobody_is_known_to_have_answered_is_no_beginning() -> None:
    """It is not known how many replies there were before."""
    record = Record(changes={"memory_turns": 0})
    await record.hear(STARTED)
    record.put(turn(1, "Are you open?"))
    await record.hear(turn(2, "Are you open?"), stop_after=1)
    await record.hear(turn(3, "Are you open?"), stop_after=1)
    assert last_turns(record.events, 1) is None
    last = last_turns(record.events, 0)
    assert last is not None
    assert last.events[0].body == turn(2, "Are you open?")
