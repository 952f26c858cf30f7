"""The end of a long call's record gives a replacement the script that the whole record gives it."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import Any

import pytest

from contracts.identities import uuid7
from contracts.messages import (
    CallReassigned,
    Event,
    Message,
    Outcome,
    PlayoutEnded,
    Replaced,
    ReplyCompleted,
    ReplySentence,
    Role,
    SpeechStarted,
)
from tts_service.recalling import is_enough
from tts_service.script import Script

_CALL = uuid7(1_767_225_600_000, random.Random(3))


@dataclass
class Story:
    """The record of one call, as tts reads it: turns, replies to them, and what was heard of each."""

    rng: random.Random
    events: list[Event[Any]] = field(default_factory=list)
    turn: int = 0
    reply: int = 0

    def put(self, body: Message) -> None:
        event = Event[Any](
            id=uuid7(1_767_225_600_000, self.rng), v=1, at_us=1, tenant="acme", call=_CALL, body=body
        )
        self.events.append(event)

    def speak(self) -> None:
        self.turn += 1
        self.put(SpeechStarted(turn=self.turn, started_us=1, detected_us=1))

    def answer(self) -> None:
        self.reply += 1
        sentences = self.rng.randint(0, 4)
        for index in range(sentences):
            self.put(sentence(self.reply, self.turn, index))
        if self.rng.random() < 0.8:
            self.put(completed(self.reply, self.turn, sentences))

    def hear(self, reply: int) -> None:
        outcome = self.rng.choice((Outcome.DONE, Outcome.CANCELLED))
        self.put(played(reply, outcome))


def a_story(seed: int) -> list[Event[Any]]:
    story = Story(random.Random(seed))
    heard = 0
    for _ in range(30):
        if story.rng.random() < 0.9:
            story.speak()
        story.answer()
        if story.rng.random() < 0.1:
            moved = CallReassigned(role=Role.STT, process="stt-2", epoch=2, before="stt-1", why=Replaced.LOST)
            story.put(moved)
        while heard < story.reply and story.rng.random() < 0.6:
            heard += 1
            story.hear(heard)
    return story.events


def sentence(reply: int, turn: int, index: int) -> ReplySentence:
    return ReplySentence(reply=reply, turn=turn, index=index, text_pii="Yes.", engine="faq")


def completed(reply: int, turn: int, sentences: int) -> ReplyCompleted:
    return ReplyCompleted(
        reply=reply,
        turn=turn,
        outcome=Outcome.DONE,
        sentences=sentences,
        engine="faq",
        first_sentence_ms=1,
        total_ms=1,
    )


def played(reply: int, outcome: Outcome) -> PlayoutEnded:
    return PlayoutEnded(reply=reply, outcome=outcome, heard_ms=0, heard_sentences=0, partial_ms=0, ended_us=0)


def to_be_said(events: list[Event[Any]]) -> tuple[list[Any], int]:
    """What a script gives out after these events, and the caller's last turn."""
    script: Script[str] = Script()
    spoke = 0
    for event in events:
        match event.body:
            case ReplySentence() as said:
                script.add(said.reply, said.turn, said.index, said.text_pii)
            case ReplyCompleted() as over:
                script.complete(over.reply, over.turn, over.sentences)
            case SpeechStarted(turn=turn):
                spoke = turn
                script.cancel(script.before_turn(turn))
            case PlayoutEnded(reply=reply):
                script.cancel(reply)
    steps = []
    while (step := script.next() or script.give_up()) is not None:
        steps.append(step)
    return steps, spoke


@pytest.mark.parametrize("seed", range(20))
def test_the_end_says_what_is_left_to_say_as_the_whole_does(seed: int) -> None:
    events = a_story(seed)
    ends = 0
    for until in range(1, len(events) + 1):
        whole = to_be_said(events[:until])
        for begins in range(max(0, until - 60), until):
            if is_enough(events[begins:until]):
                ends += 1
                assert to_be_said(events[begins:until]) == whole
    assert ends, "some ends are enough"


def test_without_a_reply_that_was_heard_the_whole_record_is_wanted() -> None:
    story = Story(random.Random(1))
    story.speak()
    for reply in (1, 2, 3):
        story.put(sentence(reply, 1, 0))
    assert not is_enough(story.events)
    story.hear(1)
    assert not is_enough(story.events), "the one before the last that was heard may be in the midst"
    story.hear(2)
    assert is_enough(story.events)
    assert not is_enough(story.events[2:]), "it may be in the midst"


def test_the_word_that_an_old_reply_is_over_says_nothing_of_where_the_next_began() -> None:
    """A replacement of llm says late what was owed: so it stands behind what came long after it."""
    story = Story(random.Random(1))
    story.speak()
    story.put(sentence(7, 1, 3))
    story.put(completed(5, 1, 1))
    story.hear(6)
    assert not is_enough(story.events)


def test_until_the_caller_has_spoken_the_whole_record_is_wanted() -> None:
    """Speech that is told of again silences nothing: so it is known what was told of before."""
    story = Story(random.Random(1))
    story.put(sentence(1, 0, 0))
    story.put(sentence(2, 0, 0))
    story.hear(2)
    assert not is_enough(story.events)
    story.speak()
    assert is_enough(story.events)
