"""What was said in a call so far, read from the stream: how a replacement learns what it must know.

The stream hands over a call's events in one batch: 40 of them took 2 ms out of 100,000, where a consumer that
is made for it, and removed, takes three round trips more. NATS 2.11 or newer.

A call of an hour has thousands, and whoever takes it over needs the last of them: `read_end` reads so far
back as the reader says that it must. What nobody wants is left out by its subject, before it is decoded.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import AsyncIterator, Callable, Container
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import nats.errors
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from contracts.errors import TrunklineError
from contracts.identities import CallRef
from contracts.messages import Event
from contracts.permissions import HISTORY_REQUEST
from contracts.wire import decode_event, event_name, every_event_of, every_turn_of_fate_of
from runtime.bus import Bus
from runtime.connection import leave
from runtime.errors import BusUnavailable

log = logging.getLogger(__name__)

_BATCH: Final = 1000
_TIMEOUT_S: Final = 2.0
_NOTHING_THERE: Final = "404"
_BATCH_ENDS: Final = "204"
_FIRST_LOOK: Final = 256  # so many events of all calls; looking back further, four times as many
_FURTHER: Final = 4

Record = tuple[Event[Any], ...]
Enough = Callable[[Record], bool]
"""Whether the end of a record, which is given, says all that its reader must know."""


async def read_history(bus: Bus, ref: CallRef) -> Record:
    """Every recorded event of a call, stale ones too, in the stream's order; raises BusUnavailable.

    What this build cannot read is logged and left out.
    """
    return (await read_on(bus, ref, 1))[0]


async def read_on(
    bus: Bus, ref: CallRef, sequence: int, names: Container[str] | None = None
) -> tuple[Record, int]:
    """As `read_history`, from this place in the stream on; and the place from which to read on the next time.

    With `names`, only events with one of them. However long a record is: it is given up only where the
    stream says nothing for 2 s.
    """
    async with _reading(bus, ref, names) as reading:
        found = await reading.ask(every_event_of(ref), sequence)
        return tuple(found.values()), reading.following


async def read_end(
    bus: Bus, ref: CallRef, enough: Enough, names: Container[str] | None = None
) -> tuple[Record, int]:
    """As `read_on`, of the end of a record alone: as far back as is `enough`, else from its beginning.

    Of what came before there are the events that are of the call as a whole, as that it was reassigned: so
    it shows who is believed. It is looked for in the last events of the stream, whose density is not known.
    """
    async with _reading(bus, ref, names) as reading:
        fate = await reading.ask(every_turn_of_fate_of(ref), 1)
        last, look = reading.following - 1, _FIRST_LOOK
        while last - look > reading.earliest:
            found = fate | await reading.ask(every_event_of(ref), last - look)
            record = tuple(found[place] for place in sorted(found))
            if enough(record):
                return record, reading.following
            look *= _FURTHER
        found = await reading.ask(every_event_of(ref), 1)
        return tuple(found.values()), reading.following


@asynccontextmanager
async def _reading(bus: Bus, ref: CallRef, names: Container[str] | None) -> AsyncIterator[_Reading]:
    inbox = bus.client.new_inbox()
    try:
        answers = await bus.client.subscribe(inbox)
        try:
            yield _Reading(bus, inbox, answers, names)
        finally:
            await leave(answers)
    except nats.errors.Error as error:
        reason = str(error) or type(error).__name__
        raise BusUnavailable(
            f"the record of call {ref.call} cannot be read: {reason}", mend="does NATS run with JetStream?"
        ) from error


@dataclass(slots=True)
class _Reading:
    """One reader's questions, one after the other. `earliest` and `following` are the first place that it has
    seen something in, and the one behind the last.
    """

    bus: Bus
    inbox: str
    answers: Subscription
    names: Container[str] | None
    earliest: int = sys.maxsize
    following: int = 1
    _decoded: dict[int, list[Event[Any]]] = field(default_factory=dict)

    async def ask(self, subject: str, sequence: int) -> dict[int, Event[Any]]:
        """The events on these subjects from `sequence` on, by their places in the stream, in its order."""
        self.following = max(self.following, sequence)
        found: dict[int, Event[Any]] = {}
        while True:
            question = {"seq": sequence, "batch": _BATCH, "next_by_subj": subject}
            await self.bus.client.publish(HISTORY_REQUEST, json.dumps(question).encode(), reply=self.inbox)
            while not (status := _header(message := await self.answers.next_msg(_TIMEOUT_S), "Status")):
                place = int(_header(message, "Nats-Sequence"))
                self.earliest, self.following = min(self.earliest, place), max(self.following, place + 1)
                for event in self._event(place, message):
                    found[place] = event
            if status == _BATCH_ENDS and _header(message, "Nats-Num-Pending") != "0":
                sequence = int(_header(message, "Nats-Last-Sequence")) + 1
            elif status in (_BATCH_ENDS, _NOTHING_THERE):
                return found
            else:
                raise nats.errors.Error(f"NATS answers {status}")

    def _event(self, place: int, message: Msg) -> list[Event[Any]]:
        """The event, decoded once; none where nobody wants it or it cannot be read."""
        if place not in self._decoded:
            subject = _header(message, "Nats-Subject")
            wanted = self.names is None or event_name(subject) in self.names
            self._decoded[place] = _decoded(subject, message.data) if wanted else []
        return self._decoded[place]


def _header(message: Msg, name: str) -> str:
    return (message.headers or {}).get(name, "")


def _decoded(subject: str, data: bytes) -> list[Event[Any]]:
    try:
        return [decode_event(subject, data)]
    except TrunklineError as error:
        log.error("the record, %s: %s", subject, error)
        return []
