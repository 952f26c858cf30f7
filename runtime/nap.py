"""A loop that rests for a few milliseconds at a time, so that what comes in meanwhile is handled together.

To wake a process for one small message costs several times what the message does, and hundreds of sockets
with fifty messages a second each wake theirs for nearly every one. Network cards learnt it long ago: beyond
some traffic, look at fixed times instead of at every arrival.

The loop's thread sleeps. That is right only where nothing in the loop is in more of a hurry than the nap is
long, and it is kept short of what anybody hears. What goes on in other threads goes on.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final

_ROUNDS: Final = 6
"""Turns of the loop between two naps: so many steps a piece of work may take from task to task."""
_LOOK_AGAIN_S: Final = 0.25


class Nap:
    """Lets the running loop sleep until the next multiple of `every_s`, as long as `worthwhile` says so."""

    def __init__(
        self,
        every_s: float,
        worthwhile: Callable[[], bool],
        *,
        now_s: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._every_s = every_s
        self._worthwhile = worthwhile
        self._now_s = now_s
        self._sleep = sleep

    async def run(self) -> None:
        """Nap now and then until cancelled."""
        while True:
            if self._worthwhile():
                for _ in range(_ROUNDS):
                    await asyncio.sleep(0)
                self._rest()
            else:
                await asyncio.sleep(_LOOK_AGAIN_S)

    def _rest(self) -> None:
        self._sleep(self._every_s - self._now_s() % self._every_s)
