"""Room is what a call costs into what is left, and nothing when people wait."""

from __future__ import annotations

import pytest

from runtime.room import RoomMeter, least_room
from tests.support.clock import ManualClock


def _meter(busy: float, seconds: int = 30, slots: int = 2, wait_s: float = 0.0) -> RoomMeter:
    """An engine that was busy for such a part of the time."""
    clock = ManualClock()
    meter = RoomMeter(slots, 0.3, clock)
    for _ in range(seconds):
        clock.tick(1.0)
        meter.worked(busy * slots)
        meter.waited(wait_s)
    return meter


@pytest.mark.parametrize(
    ("busy", "calls", "room"), [(0.35, 10, 10), (0.1, 10, 60), (0.7, 40, 0), (0.9, 40, 0)]
)
def test_there_is_room_until_the_engine_is_seven_tenths_busy(busy: float, calls: int, room: int) -> None:
    found = _meter(busy).room(calls)
    assert found is not None
    assert abs(found - room) <= 1 if room else found == 0


def test_who_waits_too_long_says_that_there_is_none() -> None:
    assert _meter(0.1, wait_s=0.31).room(10) == 0
    assert _meter(0.1, wait_s=0.29).room(10) != 0


def test_one_long_wait_among_many_is_no_overload() -> None:
    meter = _meter(0.1)
    for _ in range(30):
        meter.waited(0.0)
    meter.waited(5.0)
    assert (meter.wait_s, meter.room(10)) == (0.0, 60)


def test_without_calls_or_work_there_is_nothing_to_tell() -> None:
    assert _meter(0.3).room(0) is None
    assert _meter(0.0).room(10) is None
    assert RoomMeter(1, 0.3, ManualClock()).room(3) is None


def test_what_was_long_ago_does_not_count() -> None:
    clock = ManualClock()
    meter = RoomMeter(1, 0.3, clock)
    for _ in range(20):
        meter.worked(1.0)
        meter.waited(9.0)
    clock.tick(11)
    assert (meter.wait_s, meter.room(5)) == (0.0, 0)
    clock.tick(20)
    assert (meter.utilisation, meter.room(5)) == (0.0, None)


def test_the_fullest_engine_decides() -> None:
    assert least_room([_meter(0.35), _meter(0.1), _meter(0.0)], 10) in (9, 10)
    assert least_room([], 10) is None
