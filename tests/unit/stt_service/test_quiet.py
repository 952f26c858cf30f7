"""When it means anything that nothing comes: looks every 0.1 s, the bus away, a process that stood still."""

from __future__ import annotations

import pytest

from stt_service.quiet import Quiet


@pytest.fixture
def quiet() -> Quiet:
    one = Quiet()
    assert one.counts(10.0), "there is no look before the first"
    return one


def test_who_says_nothing_is_quiet(quiet: Quiet) -> None:
    assert [quiet.counts(10.0 + tenth / 10) for tenth in range(1, 6)] == [True] * 5


def test_while_the_bus_is_away_nobody_is_quiet(quiet: Quiet) -> None:
    quiet.bus_lost()
    assert not quiet.counts(10.1)
    assert not quiet.counts(10.2)


def test_what_was_kept_meanwhile_has_time_to_come(quiet: Quiet) -> None:
    quiet.bus_lost()
    quiet.bus_back(10.1)
    looks = [round(10.1 + tenth / 10, 1) for tenth in range(24)]
    assert [look for look in looks if quiet.counts(look)] == [12.1, 12.2, 12.3, 12.4]


def test_a_bus_that_is_lost_once_more_is_away(quiet: Quiet) -> None:
    quiet.bus_back(1.0)
    quiet.bus_lost()
    assert not quiet.counts(10.1)


def test_a_look_that_comes_late_says_nothing_of_what_lies_unread(quiet: Quiet) -> None:
    assert not quiet.counts(10.5)
    assert quiet.counts(10.6)
