"""A loop that rests for a few milliseconds at a time, so that what comes in meanwhile is handled together.

To wake a process for one small message costs several times what the message does, and hundreds of sockets
with fifty messages a second each wake theirs for nearly every one. Network cards learnt it long ago: beyond
some traffic, look at fixed times instead of at every arrival.

The loop's thread sleeps. That is right only where nothing in the loop is in more of a hurry than the nap is
long, but for one connection, which may be given as its doorbell. What goes on in other threads goes on.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final, Protocol, TypeAlias

_ROUNDS: Final = 8
"""Turns of the loop between two naps: so many steps a piece of work may take from task to task."""
_WRITTEN_IN: Final = 2
"""Turns after which what was handed to a transport has left."""
_LOOK_AGAIN_S: Final = 0.25

Doorbell: TypeAlias = Callable[[float], object]
"""Sleeps for so many seconds, or until there is something that is in a hurry."""


class Gatherer(Protocol):
    """Where what is sent gathers."""

    held: bool
    """Nothing leaves by itself."""

    def flush(self) -> None:
        """Send all of it."""
        ...


class Nap:
    """Lets the running loop look at what came in once in `every_s`, as long as `worthwhile` says so; where
    the `doorbell` rings, in between, but not before `least_s` have passed since the last time.

    It sleeps for what is left of that time; a loop that is behind does not sleep at all. What is `gathered`
    leaves once in `every_s`, when all that came in has been handled, and not when the doorbell rang.
    """

    def __init__(
        self,
        every_s: float,
        worthwhile: Callable[[], bool],
        *,
        least_s: float | None = None,
        doorbell: Doorbell = time.sleep,
        gathered: Gatherer | None = None,
        now_s: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._every_s = every_s
        self._least_s = every_s if least_s is None else min(least_s, every_s)
        self._worthwhile = worthwhile
        self._doorbell = doorbell
        self._gathered = gathered
        self._now_s = now_s
        self._sleep = sleep
        self._woke_s = now_s()
        self._due_s = self._woke_s
        self._rung = False

    async def run(self) -> None:
        """Nap now and then until cancelled."""
        try:
            while True:
                worthwhile = self._worthwhile()
                self._hold(worthwhile)
                if worthwhile:
                    await _turns(_ROUNDS)
                    if self._gathered is not None and not self._rung:
                        self._gathered.flush()
                    await _turns(_WRITTEN_IN)
                    self._rest()
                else:
                    await asyncio.sleep(_LOOK_AGAIN_S)
        finally:
            self._hold(False)

    def _hold(self, held: bool) -> None:
        if self._gathered is not None and self._gathered.held != held:
            self._gathered.held = held
            self._gathered.flush()

    def _rest(self) -> None:
        now_s = self._now_s()
        least_until_s = min(self._woke_s + self._least_s, self._due_s)
        if now_s < least_until_s:
            self._sleep(least_until_s - now_s)
            now_s = self._now_s()
        if now_s < self._due_s:
            self._doorbell(self._due_s - now_s)
            now_s = self._now_s()
        self._woke_s = now_s
        self._rung = now_s < self._due_s
        if not self._rung:
            self._due_s = now_s + self._every_s


async def _turns(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)
