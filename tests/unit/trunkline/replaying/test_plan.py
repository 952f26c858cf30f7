from __future__ import annotations

import pytest

from tests.unit.trunkline.replaying.samples import recorded_call
from trunkline.replaying.plan import plan_calls

ONE, OTHER = recorded_call(1, began_us=4_000_000), recorded_call(2, began_us=10_000_000)


@pytest.mark.parametrize(("speed", "second_s"), [(1.0, 6.0), (4.0, 1.5), (0.5, 12.0)])
def test_calls_begin_in_the_recorded_rhythm(speed: float, second_s: float) -> None:
    first, second = plan_calls([ONE, OTHER], 2, speed, spread_s=2)
    assert (first.begins_s, first.recorded, first.number) == (0, ONE, 1)
    assert (second.begins_s, second.recorded, second.number) == (second_s, OTHER, 2)


def test_copies_spread_and_are_ordered_by_when_they_begin() -> None:
    planned = plan_calls([ONE, OTHER], 5, 6.0, spread_s=3)
    assert [(one.begins_s, one.recorded) for one in planned] == [
        (0, ONE),
        (1, OTHER),
        (1, ONE),
        (2, OTHER),
        (2, ONE),
    ]
    assert [one.number for one in planned] == [1, 2, 3, 4, 5]


def test_fewer_than_were_recorded() -> None:
    assert [one.recorded for one in plan_calls([ONE, OTHER], 1, 1.0, spread_s=2)] == [ONE]
