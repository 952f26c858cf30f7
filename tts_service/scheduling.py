"""Whose turn it is at the engines: within a tenant, the caller who would be the first to hear a gap.

Work comes in chunks of a tenth of a second or so, and each is given out anew, so a long sentence of one call
never holds up the first word of another. Between tenants the engines are shared out fairly, first for what is
needed within `_URGENT_S`, then for what is made ahead. What nobody waits for (phrases made before they are
asked for) runs only while nobody waits, and never takes the last slot.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from runtime.clock import Clock
from runtime.fair_queue import CREDIT_S, Shares, Weight, alike
from runtime.room import RoomMeter
from tts_service.ports import Due

NEVER: Final = math.inf


_URGENT_S: Final = 0.5
_LEARNING: Final = 0.2


class _Tier(IntEnum):
    """How much it matters that the turn comes now."""

    URGENT = 0
    AHEAD = 1
    IDLE = 2


@dataclass(eq=False, slots=True)
class _Waiting:
    tenant: str
    due: Due
    granted: asyncio.Future[None]
    tier: _Tier = _Tier.URGENT
    charged_s: float = 0.0
    due_s: float = NEVER  # when it was granted, and when it was needed
    granted_s: float = 0.0


class Turns:
    """`slots` chunks are made at once, for the tenants by their shares. `meter` learns of it."""

    def __init__(
        self, slots: int, clock: Clock, meter: RoomMeter | None = None, weight: Weight = alike
    ) -> None:
        self._slots = slots
        self._idle_slots = max(1, slots - 1)
        self._clock = clock
        self._meter = meter
        self._shares = Shares(weight, CREDIT_S)
        self._usual_s = 0.0
        self._running: set[_Waiting] = set()
        self._waiting: list[_Waiting] = []

    def __len__(self) -> int:
        return len(self._waiting)

    @asynccontextmanager
    async def turn(self, due: Due, tenant: str = "") -> AsyncIterator[None]:
        """Wait for a turn and hold it. `due` is asked whenever a turn is to be given, for it may change."""
        mine = _Waiting(tenant, due, asyncio.get_running_loop().create_future())
        came_s = self._clock.monotonic_s()
        self._waiting.append(mine)
        self._give()
        try:
            await mine.granted
            self._began(mine, came_s)
            yield
        finally:
            if mine in self._running:
                self._running.discard(mine)
                self._ended(mine)
            if mine in self._waiting:
                self._waiting.remove(mine)
            self._give()

    def _began(self, mine: _Waiting, came_s: float) -> None:
        if self._meter is not None and mine.tier is _Tier.URGENT:
            self._meter.waited(max(0.0, mine.granted_s - max(came_s, mine.due_s)))

    def _ended(self, mine: _Waiting) -> None:
        held_s = self._clock.monotonic_s() - mine.granted_s
        if mine.tier is not _Tier.IDLE:
            self._usual_s += _LEARNING * (held_s - self._usual_s)
            self._shares.correct(mine.tenant, held_s - mine.charged_s)
            if self._meter is not None:
                self._meter.worked(held_s)

    def _give(self) -> None:
        while self._waiting and len(self._running) < self._slots:
            now_s = self._clock.monotonic_s()
            first = min(self._waiting, key=lambda waiting: self._rank(waiting, now_s))
            idle = sum(running.tier is _Tier.IDLE for running in self._running)
            first.tier, _, first.due_s = self._rank(first, now_s)
            if first.tier is _Tier.IDLE and idle >= self._idle_slots:
                return
            self._waiting.remove(first)
            self._running.add(first)
            first.granted_s = now_s
            if first.tier is not _Tier.IDLE:
                first.charged_s = self._usual_s
                self._shares.charge(first.tenant, first.charged_s)
            if not first.granted.done():
                first.granted.set_result(None)

    def _rank(self, waiting: _Waiting, now_s: float) -> tuple[_Tier, float, float]:
        due_s = waiting.due()
        if due_s == NEVER:
            return _Tier.IDLE, 0.0, due_s
        tier = _Tier.URGENT if due_s <= now_s + _URGENT_S else _Tier.AHEAD
        return tier, self._shares.start_of(waiting.tenant), due_s
