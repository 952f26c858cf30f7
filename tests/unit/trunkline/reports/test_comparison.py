from __future__ import annotations

import pytest

from tests.unit.trunkline.load.reports import call, report
from trunkline.reports.comparison import Change, compare, differing_plan
from trunkline.reports.thresholds import FIGURES


def test_every_figure_is_compared() -> None:
    changes = {one.figure: one for one in compare(report(call(300)), report(call(330)))}
    assert list(changes) == [name for name in FIGURES if name in report(call(300)).figures()]
    assert changes["p50"].percent == pytest.approx(10)
    assert changes["cpu"].percent == 0


def test_there_is_no_percentage_of_nothing() -> None:
    assert Change("broken", 0, 3).percent is None
    assert Change("p50", None, 3).percent is None


def test_unlike_plans_are_named_but_for_the_address() -> None:
    before, after = report(call(1), talk_s=40, url="a"), report(call(1), talk_s=20, url="b")
    assert differing_plan(before, after) == ["talk_s: 40 → 20"]
