from __future__ import annotations

from gateway_service.rest.buckets import Buckets
from tests.support.clock import ManualClock


def test_a_bucket_is_emptied_and_fills_with_time() -> None:
    clock = ManualClock()
    buckets = Buckets(clock.monotonic_s)

    assert [buckets.take("a", 2, 0.5).allowed for _ in range(3)] == [True, True, False]
    level = buckets.look("a", 2, 0.5)
    assert (level.allowed, level.left, level.after_s, level.full_s) == (False, 0, 2.0, 4.0)
    clock.tick(2)
    assert buckets.take("a", 2, 0.5).allowed
    assert not buckets.take("a", 2, 0.5).allowed
    clock.tick(100)
    assert buckets.look("a", 2, 0.5).left == 2


def test_names_do_not_share_a_bucket_and_a_look_takes_nothing() -> None:
    buckets = Buckets(ManualClock().monotonic_s)
    buckets.take("a", 1, 1)

    assert not buckets.look("a", 1, 1).allowed
    assert buckets.look("b", 1, 1).allowed
    assert buckets.take("b", 1, 1).allowed


def test_what_is_given_back_can_be_taken_again_and_no_more() -> None:
    buckets = Buckets(ManualClock().monotonic_s)
    buckets.take("a", 1, 1)
    buckets.give_back("a")
    buckets.give_back("a")
    buckets.give_back("never taken")

    assert buckets.take("a", 1, 1).allowed
    assert not buckets.take("a", 1, 1).allowed
