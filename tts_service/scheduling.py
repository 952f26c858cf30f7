"""Whose turn it is at the engines: the caller who would be the first to hear a gap.

Work comes in chunks of a tenth of a second or so, and each is given out anew, so a long sentence of one call
never holds up the first word of another. What nobody waits for (phrases made ahead of need) runs only while
nobody waits, and never takes the last slot.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from tts_service.ports import Due

NEVER: Final = math.inf


@dataclass(eq=False, slots=True)
class _Waiting:
    due: Due
    granted: asyncio.Future[None]
    idle: bool = False


class Turns:
    """`slots` chunks are made at once; who is due first goes first, whoever came first."""

    def __init__(self, slots: int) -> None:
        self._slots = slots
        self._idle_slots = max(1, slots - 1)
        self._running: set[_Waiting] = set()
        self._waiting: list[_Waiting] = []

    def __len__(self) -> int:
        return len(self._waiting)

    @asynccontextmanager
    async def turn(self, due: Due) -> AsyncIterator[None]:
        """Wait for a turn and hold it. `due` is asked whenever a turn is to be given, for it may change."""
        mine = _Waiting(due, asyncio.get_running_loop().create_future())
        self._waiting.append(mine)
        self._give()
        try:
            await mine.granted
            yield
        finally:
            self._running.discard(mine)
            if mine in self._waiting:
                self._waiting.remove(mine)
            self._give()

    def _give(self) -> None:
        while self._waiting and len(self._running) < self._slots:
            first = min(self._waiting, key=lambda waiting: waiting.due())
            first.idle = first.due() == NEVER
            if first.idle and sum(running.idle for running in self._running) >= self._idle_slots:
                return
            self._waiting.remove(first)
            self._running.add(first)
            if not first.granted.done():
                first.granted.set_result(None)
