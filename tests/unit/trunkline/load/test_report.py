from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.trunkline.load.reports import call, report
from trunkline.errors import BadOption
from trunkline.load.report import read_report


def test_figures_are_over_every_turn_of_every_call() -> None:
    found = report(call(300, 320), call(310, None), call(ending="lost", expected=2)).figures()
    assert found["p50"] == 310
    assert found["max"] == 320
    assert found["answered"] == 0.5
    assert found["broken"] == 1
    assert found["most_calls"] == 10


def test_a_run_without_a_single_answer_has_no_latency_but_a_share() -> None:
    found = report(call(None, None)).figures()
    assert found["p50"] is None
    assert found["answered"] == 0


def test_what_broke_calls_is_counted_by_kind() -> None:
    found = report(call(), call(ending="lost"), call(ending="refused_4486"), call(ending="lost")).broken
    assert found == {"lost": 2, "refused_4486": 1}


def test_a_report_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "load.json"
    path.write_text(report(call(300, None)).model_dump_json())
    assert read_report(path) == report(call(300, None))


def test_what_is_no_report_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "other.json"
    with pytest.raises(BadOption, match=r"other\.json cannot be read"):
        read_report(path)
    path.write_text('{"kind": "something else"}')
    with pytest.raises(BadOption, match=r"other\.json is no report"):
        read_report(path)
