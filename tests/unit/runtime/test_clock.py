"""The machine's clock, seen through the one port for time."""

from __future__ import annotations

import time

import pytest

from runtime.clock import Clock, SystemClock
from tests.support.clock import ManualClock


@pytest.fixture(params=[SystemClock, ManualClock])
def clock(request: pytest.FixtureRequest) -> Clock:
    made: Clock = request.param()
    return made


async def test_no_clock_goes_back(clock: Clock) -> None:
    walls = [clock.now_us() for _ in range(1000)]
    ticks = [clock.monotonic_s() for _ in range(1000)]
    assert walls == sorted(walls)
    assert ticks == sorted(ticks)


async def test_wall_time_is_the_machines_in_microseconds() -> None:
    before_us = time.time_ns() // 1000
    assert abs(SystemClock().now_us() - before_us) < 5_000_000


async def test_a_step_of_the_system_time_is_not_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SystemClock()
    before_us = clock.now_us()
    monkeypatch.setattr(time, "time_ns", lambda: 0)
    assert clock.now_us() >= before_us


async def test_sleep_ends_no_sooner_than_asked() -> None:
    clock = SystemClock()
    before_s = clock.monotonic_s()
    await clock.sleep(0.02)
    assert clock.monotonic_s() - before_s >= 0.019
