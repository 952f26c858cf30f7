"""From callbacks that must not wait to a bus that is awaited: the events of all calls, in order.

Frames need no queue here, for the bus gathers them itself; an event takes with it what was said before.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import Any, NamedTuple

from contracts.errors import TrunklineError
from contracts.identities import CallRef
from contracts.messages import Event, Message
from runtime.bus import Bus

log = logging.getLogger(__name__)


class Saying(NamedTuple):
    """An event on its way: its call, body, cause, trace context and the epoch of who says it."""

    ref: CallRef
    body: Message
    cause: Event[Any] | None
    trace: str | None
    epoch: int = 0


class Dispatch:
    """Sends what was put in, from one task."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._events: deque[Saying] = deque()
        self._wake = asyncio.Event()

    def event(self, saying: Saying) -> None:
        """Publish an event soon, after those put in before."""
        self._events.append(saying)
        self._wake.set()

    async def run(self) -> None:
        """Send until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            await self.flush()

    async def flush(self) -> None:
        """Send everything that waits now."""
        while self._events:
            await self._publish(self._events.popleft())

    async def _publish(self, saying: Saying) -> None:
        try:
            await self._bus.publish_event(
                saying.ref, saying.body, cause=saying.cause, epoch=saying.epoch, trace=saying.trace
            )
        except TrunklineError as error:
            log.error("%s was not published: %s", type(saying.body).__name__, error)
