"""What the platform's record says of the calls that we place, by the carrier's call ids that we gave them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from nats.aio.msg import Msg

from contracts.errors import TrunklineError
from contracts.identities import CallRef
from contracts.messages import CallEnded, CallRejected, CallStarted, Event, LegEnded, PlayoutStarted
from contracts.wire import decode_event
from runtime.bus import Bus
from trunkline.reports.report import LegDrops
from trunkline.watching import hear_all


class Observer:
    """Reads the stream in order and without loss, and keeps the events of expected calls. `replies` counts
    how often the agent began to speak in them.
    """

    def __init__(self, bus: Bus) -> None:
        self.replies = 0
        self.refs: dict[str, CallRef] = {}
        self._bus = bus
        self._expected: dict[str, asyncio.Event] = {}
        self._carrier_ids: dict[CallRef, str] = {}
        self._events: dict[str, list[Event[Any]]] = {}

    async def start(self, since: datetime | None = None) -> None:
        """Listen: what is dialled after this is heard from its first event on; with `since` what was expected
        then, too. Raises BusUnavailable.
        """
        await hear_all(self._bus, self._on_event, since)

    def expect(self, carrier_call_id: str) -> None:
        """A call with this id will come."""
        self._expected[carrier_call_id] = asyncio.Event()
        self._events[carrier_call_id] = []

    async def ended(self, carrier_call_id: str, within_s: float) -> bool:
        """Wait until the record says that the call is over; False when it does not."""
        try:
            await asyncio.wait_for(self._expected[carrier_call_id].wait(), within_s)
        except TimeoutError:
            return False
        return True

    def events(self, carrier_call_id: str) -> list[Event[Any]]:
        """The call's events so far, in order."""
        return self._events[carrier_call_id]

    async def _on_event(self, msg: Msg) -> None:
        try:
            event = decode_event(msg.subject, msg.data)
        except TrunklineError as error:
            self._bus.reject("replay", error)
            return
        body = event.body
        if isinstance(body, (CallStarted, CallRejected)) and body.carrier_call_id in self._expected:
            self._carrier_ids[event.ref] = body.carrier_call_id
            self.refs[body.carrier_call_id] = event.ref
        carrier_id = self._carrier_ids.get(event.ref)
        if carrier_id is None:
            return
        self._events[carrier_id].append(event)
        self.replies += isinstance(body, PlayoutStarted)
        if isinstance(body, (CallEnded, CallRejected)):
            self._expected[carrier_id].set()


def leg_drops(events: Iterable[Event[Any]], began_us: int) -> tuple[LegDrops, ...]:
    """What gateways dropped of the legs in these events; `began_us` is when the run did, on our clock."""
    drops = (
        LegDrops(at_s=round(max(0, event.at_us - began_us) / 1_000_000, 3), frames=event.body.frames_dropped)
        for event in events
        if isinstance(event.body, LegEnded)
    )
    return tuple(sorted(drops, key=lambda one: one.at_s))
