"""Who is next at an engine that many tenants share: start-time fair queueing.

Each tenant has a clock that runs with what it was given, divided by its weight; who is furthest behind goes
next. A tenant that asks for ten times its share waits for itself, and one that asks for little hardly waits.
A tenant that was away saves up a little, its `credit`, so that a burst of one who asks for less than its
share does not wait behind one who always asks; beyond that it begins where the others are now.
What was charged is put right at the weight that it was charged with, for a weight may change meanwhile.

`Shares` keeps the clocks, `FairQueue` orders work by them, `FairGate` runs it. Costs are in seconds of the
engine; what is charged on the way in is a guess, and is put right when the work is done.
"""

from __future__ import annotations

import asyncio
import heapq
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, Generic, NamedTuple, TypeVar

from runtime.clock import Clock

Item = TypeVar("Item")
Weight = Callable[[str], float]
"""A tenant's share beside the others', 1 or more: 2 gets twice what 1 gets, while both want more than there
is.
"""

CREDIT_S: Final = 1.0
"""Of an engine's time, saved up by who asks for less than its share."""

_SWEEP_AT: Final = 1024
_LEARNING: Final = 0.2


def alike(_tenant: str) -> float:
    """Every tenant counts the same."""
    return 1.0


class _Stand(NamedTuple):
    """Where a tenant's last work ended on its clock, and the weight that this was charged with."""

    finish: float
    weight: float


class Shares:
    """What each tenant was given, on the clocks that decide who is next."""

    def __init__(self, weight: Weight = alike, credit: float = 0.0) -> None:
        self._weight = weight
        self._credit = credit
        self._now = 0.0
        self._stands: dict[str, _Stand] = {}

    def start_of(self, tenant: str) -> float:
        """Where this tenant's next work would begin; who has the least goes next."""
        return max(self._now - self._credit / self._weight(tenant), self.finish_of(tenant))

    def charge(self, tenant: str, cost: float, start: float | None = None) -> None:
        """This tenant is given so much, from `start` on, or from where it stands."""
        begin = self.start_of(tenant) if start is None else start
        weight = self._weight(tenant)
        self._now = max(self._now, begin)
        self._stands[tenant] = _Stand(begin + cost / weight, weight)
        if len(self._stands) > _SWEEP_AT:
            passed = self._now - self._credit
            self._stands = {who: stand for who, stand in self._stands.items() if stand.finish > passed}

    def correct(self, tenant: str, difference: float) -> float:
        """It cost so much more, or less, than was charged; returns by how much its clock was moved."""
        stand = self._stands.get(tenant)
        if stand is None:
            return 0.0
        moved = difference / stand.weight
        self._stands[tenant] = stand._replace(finish=stand.finish + moved)
        return moved

    def finish_of(self, tenant: str) -> float:
        """Where this tenant's last work ended."""
        stand = self._stands.get(tenant)
        return stand.finish if stand is not None else 0.0


@dataclass(eq=False, slots=True)
class Entry(Generic[Item]):
    """Work that waits. `cancelled`: nobody wants it any more, and it costs nothing."""

    tenant: str
    item: Item
    cost: float
    cancelled: bool = False
    taken: bool = False


class FairQueue(Generic[Item]):
    """Work of many tenants: fair between them, in order of arrival within each. Every step is O(log n)."""

    def __init__(self, weight: Weight = alike, credit: float = 0.0) -> None:
        self._shares = Shares(weight, credit)
        self._lines: dict[str, deque[Entry[Item]]] = {}
        self._starts: dict[str, float] = {}  # of the first in each line
        self._heap: list[tuple[float, int, str]] = []
        self._order = 0
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def push(self, tenant: str, item: Item, cost: float = 1.0) -> Entry[Item]:
        """Let it wait for its turn."""
        entry = Entry(tenant, item, cost)
        line = self._lines.get(tenant)
        if line is None:
            self._lines[tenant] = deque((entry,))
            self._rank(tenant, self._shares.start_of(tenant))
        else:
            line.append(entry)
        self._length += 1
        return entry

    def cancel(self, entry: Entry[Item]) -> bool:
        """Take it out; False when its turn had come."""
        if entry.taken or entry.cancelled:
            return False
        entry.cancelled = True
        self._length -= 1
        self._settle(entry.tenant)
        return True

    def pop(self) -> Entry[Item] | None:
        """Whose turn it is; None when nobody waits."""
        while self._heap:
            start, _, tenant = heapq.heappop(self._heap)
            if self._starts.get(tenant) != start:
                continue  # ranked anew since
            entry = self._lines[tenant].popleft()
            entry.taken = True
            self._length -= 1
            self._shares.charge(tenant, entry.cost, start)
            del self._starts[tenant]
            self._settle(tenant)
            return entry
        return None

    def correct(self, tenant: str, difference: float) -> None:
        """What this tenant's work cost beyond what was charged."""
        moved = self._shares.correct(tenant, difference)
        if tenant in self._starts:
            self._rank(tenant, self._starts[tenant] + moved)

    def _settle(self, tenant: str) -> None:
        """Have the first of the line ranked, or the line gone."""
        line = self._lines[tenant]
        while line and line[0].cancelled:
            line.popleft()
        if not line:
            del self._lines[tenant]
            self._starts.pop(tenant, None)
        elif tenant not in self._starts:
            self._rank(tenant, self._shares.finish_of(tenant))

    def _rank(self, tenant: str, start: float) -> None:
        self._order += 1
        self._starts[tenant] = start
        heapq.heappush(self._heap, (start, self._order, tenant))


class FairGate:
    """At most `slots` things at once, of many tenants, fairly."""

    def __init__(
        self, slots: int, clock: Clock, weight: Weight = alike, *, credit_s: float = CREDIT_S
    ) -> None:
        self.slots = slots
        self._clock = clock
        self._queue: FairQueue[asyncio.Future[None]] = FairQueue(weight, credit_s)
        self._running = 0
        self._usual_s = 0.0

    def __len__(self) -> int:
        return len(self._queue)

    @property
    def full(self) -> bool:
        """Whether who comes now must wait."""
        return self._running >= self.slots

    @property
    def wait_estimate_s(self) -> float:
        """How long who comes now would wait, about, if all were of one tenant."""
        if not self.full:
            return 0.0
        return (len(self._queue) + 1) * self._usual_s / self.slots

    @asynccontextmanager
    async def turn(self, tenant: str, cost_s: float | None = None) -> AsyncIterator[float]:
        """Wait for a turn and hold it; yields how long that took. `cost_s` is a guess of how long it will be
        held; without one, what is usual.
        """
        came_s = self._clock.monotonic_s()
        granted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        charged_s = self._usual_s if cost_s is None else cost_s
        entry = self._queue.push(tenant, granted, charged_s)
        began_s: float | None = None
        self._give()
        try:
            await granted
            began_s = self._clock.monotonic_s()
            yield began_s - came_s
        finally:
            if not self._queue.cancel(entry):
                held_s = 0.0 if began_s is None else self._clock.monotonic_s() - began_s
                self._ended(tenant, charged_s, held_s)

    def _ended(self, tenant: str, charged_s: float, held_s: float) -> None:
        self._running -= 1
        self._usual_s += _LEARNING * (held_s - self._usual_s)
        self._queue.correct(tenant, held_s - charged_s)
        self._give()

    def _give(self) -> None:
        while self._running < self.slots and (entry := self._queue.pop()) is not None:
            self._running += 1
            if not entry.item.done():  # else who waited is leaving, and gives the slot back
                entry.item.set_result(None)
