from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from tests.unit.trunkline.load.reports import call, report
from tests.unit.trunkline.replaying.reports import replay_report, replayed
from tests.unit.trunkline.replaying.samples import ANSWER, GREETING
from trunkline.reports.comparison import compare
from trunkline.reports.page import comparison_page, page
from trunkline.reports.report import Dropped
from trunkline.reports.thresholds import parse_threshold

LOAD = report(call(300, 320))
REPLAY = replay_report(replayed(GREETING, ANSWER), replayed(GREETING, replace(ANSWER, said_pii="<b>wen")))


class Balanced(HTMLParser):
    """Every element that opens closes, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: object) -> None:
        assert tag == "line"

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_shows_figures_verdicts_and_what_broke() -> None:
    text = page(
        report(call(300, 320), call(ending="lost")),
        [parse_threshold("p95<=200"), parse_threshold("p95<=400")],
    )
    assert "missed: p95&lt;=200" in text
    assert "held: p95&lt;=400" in text
    assert "1 calls: lost" in text
    assert text.count("<svg") == 5


def test_a_replay_shows_each_stage_then_and_now_its_drops_and_what_differs() -> None:
    text = page(REPLAY.model_copy(update={"dropped": (Dropped(process="stt", why="late", frames=7),)}))
    assert "in the recording" in text
    assert "Share of turns whose stage took at most" in text
    assert "frames dropped by gateways" in text
    assert "<td>late</td>" in text
    assert "What is not as it was" in text
    assert "&lt;b&gt;wen" in text
    assert "<b>" not in text


@pytest.mark.parametrize(
    "text",
    [
        page(LOAD),
        page(REPLAY),
        *(comparison_page(a, b, compare(a, b)) for a, b in ((LOAD, LOAD), (REPLAY, REPLAY), (LOAD, REPLAY))),
    ],
    ids=["load", "replay", "two loads", "two replays", "one of each"],
)
def test_a_page_is_whole_and_needs_nothing_from_elsewhere(text: str) -> None:
    assert not re.search(r"<(script|link|img|iframe)|\bsrc=|\bhref=|@import|url\(|https?:", text)
    parser = Balanced()
    parser.feed(text)
    parser.close()
    assert parser.open == []


def test_what_a_report_says_is_text_and_no_markup() -> None:
    assert "<b>" not in page(report(call(1), script="<b>"))


def test_two_runs_are_side_by_side_with_what_is_not_alike() -> None:
    before, after = report(call(300)), report(call(330), call(330))
    text = comparison_page(before, after, compare(before, after))
    assert "+10.0 %" in text
    assert "calls: 1 → 2" in text


def test_two_replays_are_compared_stage_by_stage() -> None:
    slower = replay_report(replayed(GREETING, replace(ANSWER, stages={"endpoint": 600.0})))
    text = comparison_page(REPLAY, slower, compare(REPLAY, slower))
    assert "+100.0 %" in text
    assert "endpoint: end of speech to the decision" in text
    assert "voice_to_voice:" not in text
