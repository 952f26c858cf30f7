from __future__ import annotations

import re

from tests.unit.trunkline.load.reports import call, report
from trunkline.load.comparison import compare
from trunkline.load.page import comparison_page, page
from trunkline.load.thresholds import parse_threshold


def test_the_page_shows_figures_verdicts_and_what_broke() -> None:
    text = page(
        report(call(300, 320), call(ending="lost")),
        [parse_threshold("p95<=200"), parse_threshold("p95<=400")],
    )
    assert "missed: p95&lt;=200" in text
    assert "held: p95&lt;=400" in text
    assert "1 calls: lost" in text
    assert text.count("<svg") == 5


def test_the_page_needs_nothing_from_elsewhere() -> None:
    run = report(call(300, 320))
    for text in (page(run), comparison_page(run, run, compare(run, run))):
        assert not re.search(r"<(script|link|img|iframe)|\bsrc=|\bhref=|@import|url\(", text)


def test_what_a_report_says_is_text_and_no_markup() -> None:
    assert "<b>" not in page(report(call(1), script="<b>"))


def test_two_runs_are_side_by_side_with_what_is_not_alike() -> None:
    before, after = report(call(300)), report(call(330), call(330))
    text = comparison_page(before, after, compare(before, after))
    assert "+10.0 %" in text
    assert "calls: 1 → 2" in text
