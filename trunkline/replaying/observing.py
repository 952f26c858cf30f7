"""What the platform's record says of the calls that we place, by the carrier's call ids that we gave them."""

from __future__ import annotations

import asyncio
from typing import Any

from nats.aio.msg import Msg

from contracts.errors import TrunklineError
from contracts.identities import CallRef
from contracts.messages import CallEnded, CallRejected, CallStarted, Event
from contracts.wire import decode_event
from runtime.bus import Bus
from trunkline.watching import hear_all


class Observer:
    """Reads the stream from now on, in order and without loss, and keeps the events of expected calls."""

    def __init__(self, bus: Bus) -> None:
        self.refs: dict[str, CallRef] = {}
        self._bus = bus
        self._expected: dict[str, asyncio.Event] = {}
        self._carrier_ids: dict[CallRef, str] = {}
        self._events: dict[str, list[Event[Any]]] = {}

    async def start(self) -> None:
        """Listen; what is dialled after this is heard from its first event on."""
        await hear_all(self._bus, self._on_event)

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
        if isinstance(body, (CallEnded, CallRejected)):
            self._expected[carrier_id].set()
