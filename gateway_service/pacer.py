"""One ticker for all calls of the process.

A timer or a task per call would cost more than the audio. The schedule is absolute, so it does not drift;
after a stall it goes on from now, because frames that are late already do not get better in a burst.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from contracts.frames import FRAME_MS
from runtime.clock import Clock

PERIOD_S: Final = FRAME_MS / 1000


class Pacer:
    """Calls `tick` every 20 ms until cancelled. `tick` must not raise."""

    def __init__(self, clock: Clock, tick: Callable[[], None], period_s: float = PERIOD_S) -> None:
        self._clock = clock
        self._tick = tick
        self._period_s = period_s

    async def run(self) -> None:
        """Tick until cancelled."""
        due_s = self._clock.monotonic_s()
        while True:
            due_s += self._period_s
            wait_s = due_s - self._clock.monotonic_s()
            if wait_s < -self._period_s:
                due_s -= wait_s
            await self._clock.sleep(max(0.0, wait_s))
            self._tick()
