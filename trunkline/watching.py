"""Watching one call from outside: everything on its record from the first event on, and its partials."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, Final

import nats.errors
from nats.aio.msg import Msg
from nats.js.api import ConsumerConfig, DeliverPolicy

from contracts.channels import SESSION_ACTIVE
from contracts.errors import TrunklineError
from contracts.identities import CallRef
from contracts.messages import ActiveCalls, Event, ListActiveCalls
from contracts.streams import CALLS
from contracts.wire import decode_event, every_event, every_event_of
from runtime.bus import Bus
from runtime.errors import BusUnavailable, RequestTimeout

OnEvent = Callable[[Event[Any]], None]

_ASK_EVERY_S: Final = 0.1
_ANSWER_S: Final = 2.0


async def find_call(bus: Bus, carrier_call_id: str) -> CallRef:
    """The platform's name for a carrier's call; asks until there is one, so give it a limit."""
    while True:
        try:
            active = await bus.request(SESSION_ACTIVE, ListActiveCalls(), ActiveCalls, timeout_s=_ANSWER_S)
        except RequestTimeout:  # the session may be starting anew
            active = ActiveCalls()
        for call in active.calls:
            if call.carrier_call_id == carrier_call_id:
                return CallRef(call.tenant, call.call)
        await asyncio.sleep(_ASK_EVERY_S)


async def hear_all(
    bus: Bus, on_message: Callable[[Msg], Awaitable[None]], since: datetime | None = None
) -> None:
    """Hand over every event of every call from now on, or since then, in order, as the stream has them, until
    the connection closes. Raises BusUnavailable where there is no such stream.
    """
    try:
        await bus.jetstream.subscribe(
            every_event(),
            stream=CALLS.name,
            ordered_consumer=True,
            deliver_policy=DeliverPolicy.NEW if since is None else DeliverPolicy.BY_START_TIME,
            config=ConsumerConfig(opt_start_time=since),
            cb=on_message,
        )
    except nats.errors.Error as error:
        raise BusUnavailable(
            f"stream {CALLS.name} cannot be read: {error}", mend="does the platform run on this bus?"
        ) from error
    await bus.flush()


async def watch_call(bus: Bus, ref: CallRef, on_event: OnEvent) -> None:
    """Hand over the call's events until the connection closes.

    The record is read from the stream, in order and from its beginning, because the greeting is on its way
    before anybody can know the call's id; partials come as they are said.
    """

    async def from_the_record(msg: Msg) -> None:
        try:
            event = decode_event(msg.subject, msg.data)
        except TrunklineError as error:
            bus.reject("record", error)
        else:
            on_event(event)

    async def live(event: Event[Any]) -> None:  # a handler of the bus is awaited
        on_event(event)

    await bus.on_live(ref, live)
    await bus.jetstream.subscribe(
        every_event_of(ref), stream=CALLS.name, ordered_consumer=True, cb=from_the_record
    )
