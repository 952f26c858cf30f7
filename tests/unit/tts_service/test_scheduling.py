"""Turns go to the caller who would be the first to hear a gap."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.room import RoomMeter
from tests.support.clock import ManualClock
from tests.unit.tts_service.scripted import at, never
from tts_service.ports import Due
from tts_service.scheduling import Turns


class _Crowd:
    """Work that holds its turn until it is told to end, and notes the order in which it began."""

    def __init__(self, turns: Turns) -> None:
        self.turns = turns
        self.begun: list[str] = []
        self._ends: dict[str, asyncio.Event] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def comes(self, name: str, due: Due, tenant: str = "") -> None:
        self._ends[name] = asyncio.Event()
        self._tasks[name] = asyncio.ensure_future(self._work(name, due, tenant))
        await _settle()

    async def ends(self, name: str) -> None:
        self._ends[name].set()
        await self._tasks[name]
        await _settle()

    async def leaves(self, name: str) -> None:
        self._tasks[name].cancel()
        await asyncio.wait({self._tasks[name]})
        await _settle()

    async def _work(self, name: str, due: Due, tenant: str) -> None:
        async with self.turns.turn(due, tenant):
            self.begun.append(name)
            await self._ends[name].wait()


async def _settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_who_is_due_first_goes_first_whoever_came_first() -> None:
    crowd = _Crowd(Turns(1, ManualClock()))
    for name, due_s in (("running", 9.0), ("late", 5.0), ("early", 1.0), ("middle", 3.0)):
        await crowd.comes(name, at(due_s))
    for name in ("running", "early", "middle", "late"):
        await crowd.ends(name)
    assert crowd.begun == ["running", "early", "middle", "late"]


async def test_a_due_that_changed_while_waiting_counts() -> None:
    crowd = _Crowd(Turns(1, ManualClock()))
    dues = {"warm": float("inf")}
    await crowd.comes("running", at(0.0))
    await crowd.comes("warm", lambda: dues["warm"])
    await crowd.comes("live", at(5.0))
    dues["warm"] = 1.0  # somebody wants it now
    await crowd.ends("running")
    assert crowd.begun == ["running", "warm"]


async def test_what_nobody_waits_for_never_takes_the_last_slot() -> None:
    crowd = _Crowd(Turns(2, ManualClock()))
    await crowd.comes("warm", never)
    await crowd.comes("more", never)
    assert crowd.begun == ["warm"]
    await crowd.comes("live", at(1.0))
    assert crowd.begun == ["warm", "live"]
    await crowd.ends("warm")
    assert crowd.begun == ["warm", "live", "more"]


async def test_with_one_slot_it_waits_for_everybody_else() -> None:
    crowd = _Crowd(Turns(1, ManualClock()))
    await crowd.comes("running", at(0.0))
    await crowd.comes("warm", never)
    await crowd.comes("live", at(9.0))
    await crowd.ends("running")
    await crowd.ends("live")
    assert crowd.begun == ["running", "live", "warm"]


async def test_who_leaves_while_waiting_or_running_frees_the_place() -> None:
    crowd = _Crowd(Turns(1, ManualClock()))
    for name in ("running", "impatient", "patient"):
        await crowd.comes(name, at(0.0))
    await crowd.leaves("impatient")
    assert len(crowd.turns) == 1
    await crowd.leaves("running")
    assert crowd.begun == ["running", "patient"]


async def test_a_turn_that_was_granted_to_somebody_who_left_goes_on() -> None:
    turns = Turns(1, ManualClock())
    crowd = _Crowd(turns)
    await crowd.comes("running", at(0.0))
    await crowd.comes("gone", at(1.0))
    await crowd.comes("next", at(2.0))
    crowd._ends["running"].set()
    await crowd._tasks["running"]  # the turn is now given to "gone", which has not run yet
    await crowd.leaves("gone")
    assert crowd.begun[-1] == "next"


async def test_an_error_inside_gives_the_turn_back() -> None:
    turns = Turns(1, ManualClock())
    with pytest.raises(RuntimeError, match="inside"):
        async with turns.turn(at(0.0)):
            raise RuntimeError("inside")
    async with turns.turn(at(0.0)):
        assert len(turns) == 0


@given(st.lists(st.integers(0, 20), min_size=1, max_size=30), st.integers(1, 4))
def test_never_more_than_there_are_slots_and_nobody_is_forgotten(dues: list[int], slots: int) -> None:
    async def run() -> None:
        turns = Turns(slots, ManualClock())
        running = most = done = 0

        async def work(due_s: float) -> None:
            nonlocal running, most, done
            async with turns.turn(at(due_s)):
                running += 1
                most = max(most, running)
                await asyncio.sleep(0)
                running -= 1
                done += 1

        await asyncio.gather(*(work(float("inf") if due_s == 20 else due_s) for due_s in dues))
        assert most <= slots
        assert done == len(dues)

    asyncio.run(run())


# -- between tenants ---------------------------------------------------------------------------------


async def test_a_tenant_with_many_sentences_waits_for_itself() -> None:
    clock = ManualClock()
    crowd = _Crowd(Turns(1, clock))
    for name in ("loud-1", "loud-2", "loud-3", "loud-4", "quiet-1"):
        await crowd.comes(name, at(0.0), name.split("-")[0])
    for _ in range(5):
        clock.tick(0.1)
        await crowd.ends(crowd.begun[-1])
    assert crowd.begun == ["loud-1", "quiet-1", "loud-2", "loud-3", "loud-4"]


async def test_what_is_needed_now_goes_before_what_a_tenant_with_more_left_makes_ahead() -> None:
    clock = ManualClock()
    crowd = _Crowd(Turns(1, clock))
    await crowd.comes("loud-1", at(0.0), "loud")
    await crowd.comes("ahead", at(5.0), "quiet")
    await crowd.comes("loud-2", at(0.1), "loud")
    clock.tick(0.2)
    await crowd.ends("loud-1")
    assert crowd.begun == ["loud-1", "loud-2"]
    await crowd.ends("loud-2")
    await crowd.ends("ahead")


async def test_what_a_turn_really_took_counts() -> None:
    clock = ManualClock()
    crowd = _Crowd(Turns(1, clock))
    await crowd.comes("slow-1", at(0.0), "slow")
    await crowd.comes("fast-1", at(0.0), "fast")
    for name in ("slow-2", "fast-2", "slow-3", "fast-3"):
        await crowd.comes(name, at(0.0), name.split("-")[0])
    for _ in range(6):
        clock.tick(0.4 if crowd.begun[-1].startswith("slow") else 0.1)
        await crowd.ends(crowd.begun[-1])
    assert crowd.begun == ["slow-1", "fast-1", "fast-2", "fast-3", "slow-2", "slow-3"]


async def test_the_meter_learns_who_waited_and_for_how_long_the_engines_worked() -> None:
    clock = ManualClock()
    meter = RoomMeter(1, 0.2, clock)
    turns = Turns(1, clock, meter)
    crowd = _Crowd(turns)
    for number in range(6):
        await crowd.comes(f"{number}", at(0.0))
    for number in range(6):
        clock.tick(0.5)
        await crowd.ends(f"{number}")
    assert meter.utilisation == 1.0
    assert meter.wait_s == 2.5
    async with turns.turn(never):
        clock.tick(7.0)
    assert meter.utilisation == 0.3, "work that nobody waits for would give way"
