import asyncio
from collections.abc import Callable

import pytest

from gateway_service.pacer import PHASES, Pacer, Rota
from tests.support.clock import ManualClock


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


async def ticking(clock: ManualClock, tick: Callable[[], bool]) -> asyncio.Task[None]:
    wanted = asyncio.Event()
    wanted.set()
    task = asyncio.create_task(Pacer(clock, tick, wanted, period_s=0.02).run())
    await asyncio.sleep(0)
    return task


async def test_ticks_on_an_absolute_schedule_without_drift(clock: ManualClock) -> None:
    times = []

    def tick() -> bool:
        times.append(round(clock.monotonic_s() * 1000, 6))
        clock.tick(0.003)  # work takes time, and the next tick does not move for it
        return True

    task = await ticking(clock, tick)
    await clock.advance(1.01)
    task.cancel()
    assert times == [20.0 * n for n in range(1, 51)]


async def test_after_a_stall_each_phase_comes_up_once_and_no_more(clock: ManualClock) -> None:
    times = []

    def tick() -> bool:
        times.append(round(clock.monotonic_s() * 1000, 6))
        if len(times) == 2:
            clock.tick(0.5)
        return True

    task = await ticking(clock, tick)
    await clock.advance(1.0)
    task.cancel()
    assert times[:2] == [20.0, 40.0]
    assert times[2 : 2 + PHASES] == [540.0] * PHASES  # each once, at once
    assert times[2 + PHASES : 5 + PHASES] == [560.0, 580.0, 600.0]  # and then in step again


async def test_what_a_nap_kept_back_follows_at_once(clock: ManualClock) -> None:
    times = []

    def tick() -> bool:
        times.append(round(clock.monotonic_s() * 1000, 6))
        if len(times) == 1:
            clock.tick(0.045)
        return True

    task = await ticking(clock, tick)
    await clock.advance(0.1)
    task.cancel()
    assert times == [20.0, 65.0, 65.0, 80.0, 100.0]


async def test_nothing_ticks_until_it_is_wanted_and_once_there_is_no_more(clock: ManualClock) -> None:
    left = 3
    wanted = asyncio.Event()

    def tick() -> bool:
        nonlocal left
        left -= 1
        return left > 0

    task = asyncio.create_task(Pacer(clock, tick, wanted, period_s=0.02).run())
    await clock.advance(1.0)
    assert left == 3
    wanted.set()
    await clock.advance(1.0)
    assert left == 0
    wanted.set()
    left = 2
    await clock.advance(1.0)
    assert left == 0
    task.cancel()


class Ticked:
    """Has so many ticks' audio to send; remembers in which phases it was ticked."""

    def __init__(self, rota: Rota, left: int) -> None:
        self.rota = rota
        self.left = left
        self.at: list[int] = []
        rota.join(self)

    def tick(self) -> bool:
        self.at.append(self.rota.phase)
        self.left -= 1
        return self.left > 0


def test_calls_are_spread_over_the_phases_and_each_is_ticked_once_a_round() -> None:
    rota = Rota()
    everyone = [Ticked(rota, 9) for _ in range(2 * PHASES)]
    for _ in range(3 * PHASES):
        rota.tick()
    assert [len(one.at) for one in everyone] == [3] * len(everyone)
    assert sorted(one.at[0] for one in everyone) == sorted([*range(PHASES)] * 2)
    assert all(len(set(one.at)) == 1 for one in everyone)


def test_who_is_done_is_ticked_no_more_until_it_joins_again() -> None:
    rota = Rota()
    one = Ticked(rota, 2)
    rota.join(one)  # as whoever has more to send does
    for _ in range(4 * PHASES):
        rota.tick()
    assert len(one.at) == 2
    one.left = 1
    rota.join(one)
    for _ in range(2 * PHASES):
        rota.tick()
    assert len(one.at) == 3
