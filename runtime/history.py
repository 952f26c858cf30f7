"""What was said in a call so far, read from the stream: how a replacement learns what it must know.

The stream hands over a call's events in one batch: 40 of them took 2 ms out of 100,000, where a consumer that
is made for it, and removed, takes three round trips more. NATS 2.11 or newer.

A call of an hour has thousands, and whoever takes it over needs the last of them: `read_end` reads so far
back as the reader says that it must. What nobody wants is left out by its subject, before it is decoded.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from collections import deque
from collections.abc import AsyncIterator, Callable, Container
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import nats.errors

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


async def read_end(
    bus: Bus, ref: CallRef, enough: Enough, names: Container[str] | None = None, since: int = 1
) -> tuple[Record, int]:
    """The end of a call's record, stale events too, in the stream's order, as far back as is `enough`, else
    from `since` on; and the place from which to read on the next time. Raises BusUnavailable.

    Of what came before there are the events that are of the call as a whole, as that it was reassigned: so
    it shows who is believed. It is looked for in the last events of the stream, whose density is not known.
    With `names`, only events with one of them; what this build cannot read is logged and left out. However
    long a record is: it is given up only where the stream says nothing for 2 s.
    """
    async with _reading(bus, ref, names) as reading:
        last, look = await reading.newest(every_event_of(ref)), _FIRST_LOOK
        fate = await reading.ask(every_turn_of_fate_of(ref), since)
        first = since if since > 1 else min(reading.earliest, last)
        while last - look > first:
            found = fate | await reading.ask(every_event_of(ref), last - look)
            record = tuple(found[place] for place in sorted(found))
            if enough(record):
                return record, reading.following
            look *= _FURTHER
        found = await reading.ask(every_event_of(ref), since)
        return tuple(found.values()), reading.following


@asynccontextmanager
async def _reading(bus: Bus, ref: CallRef, names: Container[str] | None = None) -> AsyncIterator[_Reading]:
    reading = _Reading(bus, bus.client.new_inbox(), names)
    try:
        answers = await bus.client.subscribe_with_headers(reading.inbox, reading.take)
        try:
            yield reading
        finally:
            await leave(answers)
    except nats.errors.Error as error:
        reason = str(error) or type(error).__name__
        raise BusUnavailable(
            f"the record of call {ref.call} cannot be read: {reason}", mend="does NATS run with JetStream?"
        ) from error


class _Answer(NamedTuple):
    """What the stream says to a question: an event, or with a status why there is none (any more)."""

    headers: dict[bytes, bytes]
    data: bytes
    status: str

    @classmethod
    def of(cls, headers: bytes, data: bytes) -> _Answer:
        """From `NATS/1.0 [status]` and lines of `Name: value`, as the server writes them."""
        first, *lines = headers.split(b"\r\n")
        named = (line.partition(b": ") for line in lines)
        return cls({name: value for name, _, value in named}, data, first[9:12].decode())

    @property
    def place(self) -> int:
        """Where in the stream it is."""
        return int(self.headers[b"Nats-Sequence"])

    @property
    def subject(self) -> str:
        return self.headers[b"Nats-Subject"].decode()


@dataclass(slots=True)
class _Reading:
    """One reader's questions, one after the other. `earliest` and `following` are the first place that it has
    seen something in, and the one behind the last.
    """

    bus: Bus
    inbox: str
    names: Container[str] | None
    earliest: int = sys.maxsize
    following: int = 1
    _decoded: dict[int, list[Event[Any]]] = field(default_factory=dict)
    _waiting: deque[tuple[bytes, bytes]] = field(default_factory=deque)
    _more: asyncio.Event = field(default_factory=asyncio.Event)

    def take(self, headers: bytes, data: bytes) -> None:
        """An answer came."""
        self._waiting.append((headers, data))
        self._more.set()

    async def ask(self, subject: str, sequence: int) -> dict[int, Event[Any]]:
        """The events on these subjects from `sequence` on, by their places in the stream, in its order."""
        self.following = max(self.following, sequence)
        found: dict[int, Event[Any]] = {}
        while True:
            await self._put({"seq": sequence, "batch": _BATCH, "next_by_subj": subject})
            while not (answer := await self._next()).status:
                place = answer.place
                self.earliest, self.following = min(self.earliest, place), max(self.following, place + 1)
                for event in self._event(place, answer):
                    found[place] = event
            if answer.status == _BATCH_ENDS and answer.headers[b"Nats-Num-Pending"] != b"0":
                sequence = int(answer.headers[b"Nats-Last-Sequence"]) + 1
            elif answer.status in (_BATCH_ENDS, _NOTHING_THERE):
                return found
            else:
                raise nats.errors.Error(f"NATS answers {answer.status}")

    async def newest(self, subject: str) -> int:
        """The place of the last event on these subjects; 0 for none."""
        await self._put({"last_by_subj": subject})
        answer = await self._next()
        if answer.status and answer.status != _NOTHING_THERE:
            raise nats.errors.Error(f"NATS answers {answer.status}")
        return 0 if answer.status else answer.place

    async def _put(self, question: dict[str, Any]) -> None:
        await self.bus.client.publish(HISTORY_REQUEST, json.dumps(question).encode(), reply=self.inbox)

    async def _next(self) -> _Answer:
        if not self._waiting:
            self._more.clear()
            try:
                async with asyncio.timeout(_TIMEOUT_S):
                    await self._more.wait()
            except TimeoutError:
                raise nats.errors.TimeoutError from None
        return _Answer.of(*self._waiting.popleft())

    def _event(self, place: int, answer: _Answer) -> list[Event[Any]]:
        """The event, decoded once; none where nobody wants it or it cannot be read."""
        if place not in self._decoded:
            wanted = self.names is None or event_name(answer.subject) in self.names
            self._decoded[place] = _decoded(answer.subject, answer.data) if wanted else []
        return self._decoded[place]


def _decoded(subject: str, data: bytes) -> list[Event[Any]]:
    try:
        return [decode_event(subject, data)]
    except TrunklineError as error:
        log.error("the record, %s: %s", subject, error)
        return []
