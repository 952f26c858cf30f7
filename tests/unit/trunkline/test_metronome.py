"""Each at its own moments, from one task."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.support.clock import ManualClock
from trunkline.metronome import Beat, Metronome

PERIOD_S = 0.02


@asynccontextmanager
async def a_metronome(clock: ManualClock) -> AsyncIterator[Metronome]:
    metronome = Metronome(clock)
    running = asyncio.ensure_future(metronome.run())
    try:
        yield metronome
    finally:
        assert not running.done()
        running.cancel()


class Member:
    """Keeps when it was called, in milliseconds; wants to be called so many times."""

    def __init__(self, clock: ManualClock, times: int) -> None:
        self.called_ms: list[int] = []
        self._clock = clock
        self._times = times
        self._zero_s = clock.monotonic_s()

    def beat(self) -> float | None:
        self.called_ms.append(round(self._clock.monotonic_s() * 1000))
        done = len(self.called_ms)
        return self._zero_s + done * PERIOD_S if done < self._times else None


async def test_each_is_called_at_its_own_moments_until_it_wants_no_more() -> None:
    clock = ManualClock()
    async with a_metronome(clock) as metronome:
        first = Member(clock, 3)
        metronome.join(first.beat)
        await clock.advance(0.005)
        second = Member(clock, 4)
        metronome.join(second.beat)
        await clock.advance(0.2)
    assert first.called_ms == [0, 20, 40]
    assert second.called_ms == [5, 25, 45, 65]


async def test_who_comes_when_nobody_is_left_is_called_too() -> None:
    clock = ManualClock()
    async with a_metronome(clock) as metronome:
        for _ in range(2):
            member = Member(clock, 2)
            metronome.join(member.beat)
            await clock.advance(1.0)
            assert len(member.called_ms) == 2


async def test_who_is_late_is_called_for_each_moment_that_passed() -> None:
    clock = ManualClock()
    order: list[str] = []

    def noting(name: str, beat: Beat) -> Beat:
        def noted() -> float | None:
            order.append(name)
            return beat()

        return noted

    async with a_metronome(clock) as metronome:
        for name in ("one", "two"):
            metronome.join(noting(name, Member(clock, 4).beat))
        await clock.advance(0.001)
        clock.tick(0.05)  # the process stood still
        await clock.advance(0.001)
        assert order == ["one", "two"] * 3
        await clock.advance(0.02)
    assert order == ["one", "two"] * 4
