"""Beats time for every caller of a process from one task.

Hundreds of callers with a sleep of their own each fifty times a second cost a load test a fifth of its
processor, on the machine that it measures.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable
from itertools import count
from typing import Final

from runtime.clock import Clock

Beat = Callable[[], float | None]
"""Does what is due, and returns the moment of the monotonic clock at which it wants to be called next, one
period later at most; None for never again. Must neither block nor raise.
"""

_GRAIN_S: Final = 0.001
"""The event loop's timers know nothing shorter: a shorter sleep would be none, again and again."""


class Metronome:
    """Calls each who joined at its own moments. All have the same period: who sleeps until the next moment of
    those that are here is not late for a newcomer.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._due: list[tuple[float, int, Beat]] = []
        self._joined = asyncio.Event()
        self._order: Final = count()

    def join(self, beat: Beat) -> None:
        """Call `beat` at the next turn of the loop, and from then on as it says."""
        asyncio.get_running_loop().call_soon(self._begin, beat)

    async def run(self) -> None:
        """Beat until cancelled."""
        while True:
            self._joined.clear()
            if not self._due:
                await self._joined.wait()
                continue
            early_s = self._due[0][0] - self._clock.monotonic_s()
            await self._clock.sleep(max(_GRAIN_S, early_s) if early_s > 0 else 0.0)
            self._call_due(self._clock.monotonic_s())

    def _call_due(self, now_s: float) -> None:
        """Each who is due; no more than there are, so that who is behind leaves others room in between."""
        for _ in range(len(self._due)):
            if not self._due or self._due[0][0] > now_s:
                return
            self._call(heapq.heappop(self._due)[2])

    def _begin(self, beat: Beat) -> None:
        self._call(beat)
        self._joined.set()

    def _call(self, beat: Beat) -> None:
        next_s = beat()
        if next_s is not None:
            heapq.heappush(self._due, (next_s, next(self._order), beat))
