"""Time as something that is passed in, so that tests can own it."""

from __future__ import annotations

import asyncio
import time
from typing import Protocol


class Clock(Protocol):
    """Wall time for stamps, monotonic time for intervals, and sleep on the same clock."""

    def now_us(self) -> int:
        """Microseconds since the Unix epoch; never goes back within one process."""
        ...

    def monotonic_s(self) -> float:
        """Seconds on a clock that only goes forward."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return after `seconds` of this clock."""
        ...


class SystemClock:
    """The machine's clock: wall time read once, then carried forward by the monotonic clock.

    A step of the system time in mid-call would otherwise turn latencies negative.
    """

    def __init__(self) -> None:
        self._wall_offset_ns = time.time_ns() - time.monotonic_ns()

    def now_us(self) -> int:
        """Microseconds since the Unix epoch."""
        return (time.monotonic_ns() + self._wall_offset_ns) // 1000

    def monotonic_s(self) -> float:
        """Seconds on the monotonic clock."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Sleep on the running event loop."""
        await asyncio.sleep(seconds)
