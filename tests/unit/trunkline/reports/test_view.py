from __future__ import annotations

import io

from rich.console import Console

from tests.unit.trunkline.load.reports import call, report
from tests.unit.trunkline.replaying.reports import replay_report, replayed
from tests.unit.trunkline.replaying.samples import ANSWER, GREETING
from trunkline.reports.comparison import compare
from trunkline.reports.thresholds import parse_threshold
from trunkline.reports.view import judge, show_changes, show_report


def console() -> Console:
    return Console(file=io.StringIO(), width=120, markup=False, highlight=False)


def text_of(shown: Console) -> str:
    assert isinstance(shown.file, io.StringIO)
    return shown.file.getvalue()


def test_the_report_says_what_broke_and_what_it_cost() -> None:
    shown = console()
    show_report(shown, report(call(300), call(ending="refused_4486")))
    assert "1 calls refused_4486" in text_of(shown)
    assert "stt" in text_of(shown)


def test_a_run_is_good_when_every_threshold_holds() -> None:
    shown = console()
    run = report(call(300))
    assert judge(shown, [parse_threshold("p95<=300")], run)
    assert not judge(shown, [parse_threshold("p95<=300"), parse_threshold("broken<0")], run)
    assert "FAIL broken<0: found 0" in text_of(shown)


def test_a_figure_that_the_run_does_not_have_is_not_reached() -> None:
    shown = console()
    assert not judge(shown, [parse_threshold("matched>=0")], report(call(300)))
    assert "FAIL matched>=0: found -" in text_of(shown)


def test_two_runs_are_a_table_of_what_changed() -> None:
    shown = console()
    show_changes(shown, compare(report(call(300)), report(call(330))))
    assert "+10.0 %" in text_of(shown)


def test_of_a_replay_each_stage_stands_beside_that_of_the_recording() -> None:
    shown = console()
    show_report(shown, replay_report(replayed(GREETING, ANSWER)))
    lines = text_of(shown).splitlines()
    (at,) = [number for number, line in enumerate(lines) if line.strip().startswith("endpoint")]
    assert "in the recording" in lines[at + 1]
    assert "300" in lines[at]
    assert "300" in lines[at + 1]
