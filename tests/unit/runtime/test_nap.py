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

    def ring_after_1_ms(self, seconds: float) -> None:
        assert seconds > 0.001
        self.sleep(0.001)


async def turns(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


@pytest.fixture
def rests() -> Rests:
    return Rests()


async def test_it_rests_for_what_the_work_left_of_the_time(rests: Rests) -> None:
    nap = asyncio.create_task(Nap(0.004, lambda: True, now_s=lambda: rests.now_s, sleep=rests.sleep).run())
    began_s = rests.now_s
    while len(rests.naps) < 5:
        await asyncio.sleep(0)
        rests.now_s += 0.0001
    nap.cancel()
    assert all(0.0025 < length < 0.004 for length in rests.naps)
    assert rests.now_s - began_s == pytest.approx(0.021, abs=0.001)


async def test_a_doorbell_ends_the_nap_but_not_its_least_part(rests: Rests) -> None:
    nap = asyncio.create_task(
        Nap(
            0.020,
            lambda: True,
            least_s=0.004,
            doorbell=rests.ring_after_1_ms,
            now_s=lambda: rests.now_s,
            sleep=rests.sleep,
        ).run()
    )
    while len(rests.naps) < 6:  # noqa: ASYNC110 - its turns are what is counted
        await asyncio.sleep(0)
    nap.cancel()
    assert rests.naps == pytest.approx([0.004, 0.001] * 3)


class Gathered:
    """Remembers when it was told to send."""

    def __init__(self, rests: Rests) -> None:
        self.rests = rests
        self.held = False
        self.sent_after: list[int] = []

    def holds(self) -> bool:
        return self.held

    def flush(self) -> None:
        self.sent_after.append(len(self.rests.naps))


async def test_what_is_gathered_leaves_once_in_the_whole_time(rests: Rests) -> None:
    gathered = Gathered(rests)
    nap = asyncio.create_task(
        Nap(
            0.020,
            lambda: True,
            least_s=0.008,
            doorbell=rests.ring_after_1_ms,
            gathered=gathered,
            now_s=lambda: rests.now_s,
            sleep=rests.sleep,
        ).run()
    )
    while len(rests.naps) < 12:  # noqa: ASYNC110 - its turns are what is counted
        await asyncio.sleep(0)
    assert gathered.holds()
    nap.cancel()
    await asyncio.wait({nap})
    assert not gathered.holds()
    # in each round the doorbell rings twice, after 8 + 1 ms; the third nap is what is left
    assert rests.naps == pytest.approx([0.008, 0.001, 0.008, 0.001, 0.002] * 2 + [0.008, 0.001])
    assert gathered.sent_after == [0, 0, 0, 5, 10, 12]


async def test_nothing_is_held_where_a_nap_is_not_worthwhile(rests: Rests) -> None:
    gathered, busy = Gathered(rests), True
    nap = asyncio.create_task(
        Nap(0.004, lambda: busy, gathered=gathered, now_s=lambda: rests.now_s, sleep=rests.sleep).run()
    )
    await turns(20)
    assert gathered.holds()
    busy = False
    await turns(20)
    assert not gathered.holds()
    nap.cancel()


async def test_a_loop_that_is_behind_does_not_rest(rests: Rests) -> None:
    nap = asyncio.create_task(Nap(0.004, lambda: True, now_s=lambda: rests.now_s, sleep=rests.sleep).run())
    for _ in range(70):
        await asyncio.sleep(0)
        rests.now_s += 0.001
    nap.cancel()
    assert rests.naps == []


async def test_work_of_several_steps_is_done_between_two_naps(rests: Rests) -> None:
    nap = asyncio.create_task(Nap(0.004, lambda: True, now_s=lambda: rests.now_s, sleep=rests.sleep).run())
    while not rests.naps:  # noqa: ASYNC110 - its turns are what is counted
        await asyncio.sleep(0)
    await turns(4)
    nap.cancel()
    assert len(rests.naps) == 1


async def test_it_does_not_rest_where_that_is_not_worthwhile(rests: Rests) -> None:
    nap = asyncio.create_task(Nap(0.004, lambda: False, now_s=lambda: rests.now_s, sleep=rests.sleep).run())
    await turns(100)
    nap.cancel()
    assert rests.naps == []
