"""How a replacement comes to know a call: the record's events go through the doors that live ones go through.

What the worker before said itself is in the record too. What it owed when it was lost is what comes out.
Of a long call the last turns are enough, those that a prompt holds: a dialogue that begins with one of them
is soon the same as one that has heard all.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from contracts.messages import Event, ReplyCompleted, ReplySentence, TurnEnded
from llm_service.dialogue import Dialogue
from llm_service.errors import OutOfOrder
from llm_service.replies import Reply
from runtime.clock import Clock

log = logging.getLogger(__name__)

_TURNS_MORE: Final = 2
"""So many turns more are read than are remembered: what is heard of a reply comes after its turn."""


@dataclass(frozen=True, slots=True)
class Recollection:
    """What is left to do: replies that were stopped and not said to be, and the one to go on with, with the
    event that caused it.
    """

    owed: tuple[ReplyCompleted, ...] = ()
    reply: tuple[Reply, Event[Any]] | None = None


def recollect(dialogue: Dialogue, history: Sequence[Event[Any]], clock: Clock) -> Recollection:
    """Take a new dialogue through the record of its call, in the order of the stream.

    An event that does not fit is left out, as it was when it was live. Turns beyond its memory are not read.
    """
    course = _Course(dialogue)
    last = last_turns(history, dialogue.memory_turns)
    if last is not None:
        dialogue.pass_over(last.replies_before)
    for event in causes_first(history) if last is None else last.events:
        try:
            course.take_in(event, _moment_s(event, clock))
        except OutOfOrder as error:
            log.info("not recalled: %s", error)
    return course.left(clock.monotonic_s())


@dataclass(frozen=True, slots=True)
class LastTurns:
    """The end of a record from a `turn.ended` on, causes first, without a word of the replies before it, and
    how many these were.
    """

    events: tuple[Event[Any], ...]
    replies_before: int


def last_turns(history: Sequence[Event[Any]], memory_turns: int) -> LastTurns | None:
    """As much of a record as whoever remembers so many turns needs of it, which may be given from any place
    on; None where that is not in it.
    """
    events = tuple(causes_first(history))
    first_reply: dict[int, int] = {}
    ended: dict[int, int] = {}
    for at, event in enumerate(events):
        match event.body:
            case TurnEnded(turn=turn, text_pii=text) if text.strip():
                ended.setdefault(turn, at)
            case ReplySentence(turn=int(turn), reply=reply) | ReplyCompleted(turn=int(turn), reply=reply):
                first_reply[turn] = min(reply, first_reply.get(turn, reply))
            case _:
                pass
    turns = sorted(ended)
    may_begin = turns[: max(0, len(turns) - memory_turns - _TURNS_MORE + 1)]
    begins = next((turn for turn in reversed(may_begin) if turn in first_reply), None)
    if begins is None:
        return None
    before = first_reply[begins] - 1
    left = (event for event in events[ended[begins] :] if getattr(event.body, "reply", before + 1) > before)
    return LastTurns(tuple(left), before)


class _Course:
    """What became of the replies of a call, as far as the record was read."""

    def __init__(self, dialogue: Dialogue) -> None:
        self._dialogue = dialogue
        self._causes: dict[Reply, Event[Any]] = {}
        self._stopped: list[Reply] = []
        self._ended: set[int] = set()

    def take_in(self, event: Event[Any], at_s: float) -> None:
        """The next event of the record, which was said at `at_s`."""
        if isinstance(event.body, ReplySentence | ReplyCompleted):
            self._causes.setdefault(self._dialogue.recalled(event.body, at_s), event)
            if isinstance(event.body, ReplyCompleted):
                self._ended.add(event.body.reply)
            return
        step = self._dialogue.take_in(event.body)
        if step.stop is not None and self._dialogue.cut(step.stop) is not None:
            self._stopped.append(step.stop)
        if step.reply is not None:
            step.reply.begun_s = at_s
            self._causes[step.reply] = event

    def left(self, now_s: float) -> Recollection:
        """What the record leaves to be done."""
        owed = (reply for reply in self._stopped if reply.number not in self._ended)
        growing = self._dialogue.growing
        return Recollection(
            tuple(reply.cancellation(now_s) for reply in owed),
            (growing, self._causes[growing]) if growing is not None else None,
        )


def causes_first(history: Sequence[Event[Any]]) -> Iterator[Event[Any]]:
    """The events in their order, but none before the one that led to it.

    The stream may have stored a cause later than its effect: it was sent again because it was not stored the
    first time, when those who listen had heard it.
    """
    waiting = {event.id: event for event in history}
    for event in history:
        chain: list[Event[Any]] = []
        found: Event[Any] | None = waiting.pop(event.id, None)
        while found is not None:
            chain.append(found)
            found = waiting.pop(found.cause, None) if found.cause else None
        yield from reversed(chain)


def _moment_s(event: Event[Any], clock: Clock) -> float:
    """When the event was said, on this process's monotonic clock."""
    return clock.monotonic_s() - max(0, clock.now_us() - event.at_us) / 1e6
