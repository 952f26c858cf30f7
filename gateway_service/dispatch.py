"""From callbacks that must not wait to a bus that is awaited: frames and events of all calls, in order.

Frames wait in a bounded queue whose oldest go first when it is full: late audio is worse than lost audio.
They wait for one another a few milliseconds, because to wake a task and to write to the socket costs several
times what a frame does. Events do not wait, and take with them what does.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import nats.errors

from contracts.errors import TrunklineError
from contracts.frames import Frame
from contracts.identities import CallRef
from contracts.messages import Event, Message
from runtime.bus import Bus

log = logging.getLogger(__name__)

GATHER_S: Final = 0.004


class Saying(NamedTuple):
    """An event on its way: its call, body, cause, trace context and the epoch of who says it."""

    ref: CallRef
    body: Message
    cause: Event[Any] | None
    trace: str | None
    epoch: int = 0


class Dispatch:
    """Sends what was put in, from one task."""

    def __init__(self, bus: Bus, limit_frames: int, dropped: Callable[[str], None]) -> None:
        self._bus = bus
        self.limit_frames = limit_frames
        self._dropped = dropped
        self._frames: deque[tuple[str, Frame]] = deque()
        self._events: deque[Saying] = deque()
        self._wake = asyncio.Event()
        self._gathering = False

    @property
    def room(self) -> int:
        """Frames that can wait without pushing others out."""
        return self.limit_frames - len(self._frames)

    def frame(self, subject: str, frame: Frame) -> None:
        """Send a frame within `GATHER_S`."""
        if len(self._frames) >= self.limit_frames:
            self._frames.popleft()
            self._dropped("bus_queue")
        self._frames.append((subject, frame))
        if not self._gathering:
            self._gathering = True
            asyncio.get_running_loop().call_later(GATHER_S, self._wake.set)

    def event(self, saying: Saying) -> None:
        """Publish an event soon, after those put in before."""
        self._events.append(saying)
        self._wake.set()

    async def run(self) -> None:
        """Send until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            self._gathering = False
            await self.flush()

    async def flush(self) -> None:
        """Send everything that waits now."""
        while self._events or self._frames:
            while self._events:
                await self._publish(self._events.popleft())
            while self._frames and not self._events:
                await self._send(*self._frames.popleft())

    async def _send(self, subject: str, frame: Frame) -> None:
        try:
            await self._bus.publish_frame(subject, frame)
        except nats.errors.Error:
            self._dropped("bus_refused")

    async def _publish(self, saying: Saying) -> None:
        try:
            await self._bus.publish_event(
                saying.ref, saying.body, cause=saying.cause, epoch=saying.epoch, trace=saying.trace
            )
        except TrunklineError as error:
            log.error("%s was not published: %s", type(saying.body).__name__, error)
