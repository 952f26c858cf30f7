"""Time that moves only when a test says so."""

from __future__ import annotations

import asyncio
import heapq


class ManualClock:
    """A Clock at 2026-01-01T00:00:00Z; `advance` wakes sleepers in order."""

    def __init__(self, start_us: int = 1_767_225_600_000_000) -> None:
        self._start_us = start_us
        self._now_s = 0.0
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._order = 0

    def now_us(self) -> int:
        return self._start_us + round(self._now_s * 1_000_000)

    def monotonic_s(self) -> float:
        return self._now_s

    async def sleep(self, seconds: float) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._order += 1
        heapq.heappush(self._sleepers, (self._now_s + max(0.0, seconds), self._order, future))
        await future

    def tick(self, seconds: float) -> None:
        """Move time without waking anybody; for cores that never sleep."""
        self._now_s += seconds

    async def advance(self, seconds: float) -> None:
        """Move time forward, waking each sleeper at its moment and letting it run."""
        until_s = self._now_s + seconds
        await _settle()
        while self._sleepers and self._sleepers[0][0] <= until_s:
            due_s, _, future = heapq.heappop(self._sleepers)
            self._now_s = max(self._now_s, due_s)
            if not future.done():
                future.set_result(None)
            await _settle()
        self._now_s = until_s


async def _settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)
