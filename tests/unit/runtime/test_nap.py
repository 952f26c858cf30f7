"""The loop rests at fixed times, lets work go on in between, and does not rest where it is not worthwhile."""

from __future__ import annotations

import asyncio

import pytest

from runtime.nap import Nap


class Rests:
    """A clock that stands still but for naps."""

    def __init__(self) -> None:
        self.now_s = 100.0013
        self.naps: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.naps.append(seconds)
        self.now_s += seconds


async def turns(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


@pytest.fixture
def rests() -> Rests:
    return Rests()


async def test_it_rests_until_fixed_times_however_long_the_work_took(rests: Rests) -> None:
    nap = asyncio.create_task(Nap(0.004, lambda: True, now_s=lambda: rests.now_s, sleep=rests.sleep).run())
    while len(rests.naps) < 3:
        await asyncio.sleep(0)
        rests.now_s += 0.0001
    nap.cancel()
    assert all(0 < length <= 0.004 for length in rests.naps)
    assert rests.now_s % 0.004 < 0.001


async def test_work_of_several_steps_is_done_between_two_naps(rests: Rests) -> None:
    nap = asyncio.create_task(Nap(0.004, lambda: True, now_s=lambda: rests.now_s, sleep=rests.sleep).run())
    await turns(8)
    assert len(rests.naps) == 1
    await turns(4)
    nap.cancel()
    assert len(rests.naps) == 1


async def test_it_does_not_rest_where_that_is_not_worthwhile(rests: Rests) -> None:
    nap = asyncio.create_task(Nap(0.004, lambda: False, now_s=lambda: rests.now_s, sleep=rests.sleep).run())
    await turns(100)
    nap.cancel()
    assert rests.naps == []
