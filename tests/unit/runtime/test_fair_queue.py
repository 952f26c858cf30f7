"""Nobody waits for another tenant's backlog, nobody is starved, and within a tenant the order stays."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.fair_queue import Entry, FairGate, FairQueue, Shares
from tests.support.clock import ManualClock
from tests.support.waiting import eventually

_COSTS = st.lists(st.tuples(st.sampled_from("abc"), st.floats(0.01, 5.0)), min_size=1, max_size=60)


def _all(queue: FairQueue[int]) -> list[Entry[int]]:
    entries: list[Entry[int]] = []
    while (entry := queue.pop()) is not None:
        entries.append(entry)
    return entries


def test_one_who_asks_for_little_does_not_wait_for_one_who_asks_for_much() -> None:
    queue: FairQueue[int] = FairQueue()
    for number in range(10):
        queue.push("loud", number)
    queue.push("quiet", 100)
    assert [entry.item for entry in _all(queue)][:3] == [0, 100, 1]


def test_a_weight_of_two_gets_twice_as_much() -> None:
    queue: FairQueue[int] = FairQueue(lambda tenant: 2.0 if tenant == "big" else 1.0)
    for number in range(60):
        queue.push("big", number)
        queue.push("small", number)
    shares = Counter(entry.tenant for entry in _all(queue)[:30])
    assert shares == {"big": 20, "small": 10}


def test_who_was_away_does_not_save_up() -> None:
    queue: FairQueue[int] = FairQueue()
    for number in range(20):
        queue.push("steady", number)
        queue.pop()
    for number in range(4):
        queue.push("steady", number)
        queue.push("back", number)
    assert Counter(entry.tenant for entry in _all(queue)[:4]) == {"steady": 2, "back": 2}


def test_who_asks_for_little_saves_up_for_a_burst_and_no_more() -> None:
    queue: FairQueue[int] = FairQueue(credit=3)
    for number in range(20):
        queue.push("steady", number)
        queue.pop()
    for number in range(8):
        queue.push("steady", number)
        queue.push("back", number)
    came = "".join(entry.tenant[0] for entry in _all(queue))
    assert came.startswith("bbbb")
    assert sorted(came[4:10]) == ["b", "b", "b", "s", "s", "s"]


def test_what_was_cancelled_never_comes_and_costs_nothing() -> None:
    queue: FairQueue[int] = FairQueue()
    first, *rest = [queue.push("one", number, cost=100) for number in range(3)]
    other = queue.push("other", 9)
    assert queue.cancel(first)
    assert not queue.cancel(first)
    assert len(queue) == 3
    assert queue.cancel(rest[0])
    assert [entry.item for entry in _all(queue)] == [2, 9]
    assert not queue.cancel(other)
    assert (len(queue), queue.pop()) == (0, None)


def test_who_cost_more_than_was_charged_waits_for_it() -> None:
    queue: FairQueue[int] = FairQueue()
    for number in range(4):
        queue.push("dear", number)
        queue.push("cheap", number)
    assert [queue.pop(), queue.pop()] != [None, None]
    queue.correct("dear", 2.5)
    assert [entry.tenant for entry in _all(queue)][:3] == ["cheap", "cheap", "cheap"]


def test_what_was_charged_is_put_right_at_the_weight_it_was_charged_with() -> None:
    weights = {"acme": 10.0}
    shares = Shares(lambda tenant: weights.get(tenant, 1.0))
    shares.charge("acme", 10.0)
    weights.clear()  # its last call is over
    assert shares.correct("acme", 20.0) == 2.0
    assert shares.finish_of("acme") == 3.0


def test_a_larger_share_saves_up_no_more_of_the_engines_time() -> None:
    shares = Shares(lambda tenant: 4.0 if tenant == "big" else 1.0, credit=1.0)
    shares.charge("steady", 20.0, start=20.0)
    assert shares.start_of("small") == 19.0
    assert shares.start_of("big") == 19.75, "one second, of which it is given four at a time"


def test_a_thousand_tenants_that_came_once_are_forgotten() -> None:
    shares = Shares()
    for number in range(5000):
        shares.charge(f"tenant-{number}", 1.0)
        shares.charge("steady", 1.0)
    assert len(shares._stands) <= 1026


@given(_COSTS)
def test_everything_comes_once_and_in_order_within_its_tenant(pushed: list[tuple[str, float]]) -> None:
    queue: FairQueue[int] = FairQueue()
    for number, (tenant, cost) in enumerate(pushed):
        queue.push(tenant, number, cost)
    came = _all(queue)
    assert sorted(entry.item for entry in came) == list(range(len(pushed)))
    for tenant in "abc":
        mine = [entry.item for entry in came if entry.tenant == tenant]
        assert mine == sorted(mine)


@given(_COSTS, st.integers(1, 60))
def test_tenants_that_wait_are_never_further_apart_than_their_dearest_work(
    pushed: list[tuple[str, float]], steps: int
) -> None:
    queue: FairQueue[int] = FairQueue()
    left = Counter(tenant for tenant, _ in pushed)
    for number, (tenant, cost) in enumerate(pushed):
        queue.push(tenant, number, cost)
    given_s = dict.fromkeys("abc", 0.0)
    dearest = max(cost for _, cost in pushed)
    for _ in range(steps):
        entry = queue.pop()
        if entry is None:
            break
        given_s[entry.tenant] += entry.cost
        left[entry.tenant] -= 1
        waiting = [given_s[tenant] for tenant in "abc" if left[tenant]]
        if len(waiting) > 1:
            assert max(waiting) - min(waiting) <= 2 * dearest + 1e-6


class _Crowd:
    """Work that holds the gate until it is told to end."""

    def __init__(self, gate: FairGate) -> None:
        self.gate = gate
        self.begun: list[str] = []
        self.waits_s: list[float] = []
        self._ends: dict[str, asyncio.Event] = {}
        self.tasks: dict[str, asyncio.Task[None]] = {}

    async def comes(self, name: str, tenant: str) -> None:
        self._ends[name] = asyncio.Event()
        self.tasks[name] = asyncio.ensure_future(self._work(name, tenant))
        await asyncio.sleep(0)

    async def ends(self, name: str) -> None:
        self._ends[name].set()
        await self.tasks[name]
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    async def _work(self, name: str, tenant: str) -> None:
        async with self.gate.turn(tenant) as waited_s:
            self.begun.append(name)
            self.waits_s.append(waited_s)
            await self._ends[name].wait()


async def test_the_gate_lets_in_as_many_as_it_has_slots_and_then_fairly() -> None:
    clock = ManualClock()
    crowd = _Crowd(FairGate(2, clock))
    for name in ("loud-1", "loud-2", "loud-3", "loud-4", "quiet-1"):
        await crowd.comes(name, name.split("-")[0])
    assert crowd.begun == ["loud-1", "loud-2"]
    assert len(crowd.gate) == 3
    clock.tick(1.5)
    await crowd.ends("loud-1")
    assert crowd.begun == ["loud-1", "loud-2", "quiet-1"]
    assert crowd.waits_s == [0.0, 0.0, 1.5]
    for name in ("loud-2", "quiet-1", "loud-3", "loud-4"):
        await crowd.ends(name)
    assert len(crowd.gate) == 0


async def test_who_leaves_the_queue_or_the_gate_makes_room() -> None:
    crowd = _Crowd(FairGate(1, ManualClock()))
    for name in ("one", "two", "three"):
        await crowd.comes(name, name)
    for name in ("two", "one"):  # it waits; it holds the slot
        crowd.tasks[name].cancel()
        await asyncio.wait({crowd.tasks[name]})
    await eventually(lambda: crowd.begun == ["one", "three"], "the slot is free")
    await crowd.ends("three")


async def test_who_leaves_in_the_moment_of_the_grant_gives_the_slot_back() -> None:
    crowd = _Crowd(FairGate(1, ManualClock()))
    async with crowd.gate.turn("one"):
        await crowd.comes("two", "two")
        await crowd.comes("three", "three")
    crowd.tasks["two"].cancel()  # it was granted the slot and has not run since
    await asyncio.wait({crowd.tasks["two"]})
    await eventually(lambda: crowd.begun == ["three"], "the slot is free")
    await crowd.ends("three")


async def test_who_was_about_to_leave_is_passed_over() -> None:
    crowd = _Crowd(FairGate(1, ManualClock()))
    async with crowd.gate.turn("one"):
        await crowd.comes("two", "two")
        await crowd.comes("three", "three")
        crowd.tasks["two"].cancel()  # and it has not run since
    await asyncio.wait({crowd.tasks["two"]})
    await eventually(lambda: crowd.begun == ["three"], "the slot is free")
    await crowd.ends("three")


async def test_the_wait_to_come_is_estimated_from_what_is_usual() -> None:
    clock = ManualClock()
    crowd = _Crowd(FairGate(1, clock))
    assert crowd.gate.wait_estimate_s == 0.0
    for number in range(30):
        await crowd.comes(f"{number}", "one")
        clock.tick(0.2)
        await crowd.ends(f"{number}")
    await crowd.comes("a", "one")
    await crowd.comes("b", "one")
    assert crowd.gate.wait_estimate_s == pytest.approx(0.4, rel=0.01)
    await crowd.ends("a")
    await crowd.ends("b")
