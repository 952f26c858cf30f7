from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.trunkline.load.reports import call
from tests.unit.trunkline.load.reports import report as load_report
from tests.unit.trunkline.replaying.reports import replay_report, replayed
from tests.unit.trunkline.replaying.samples import ANSWER, GREETING
from trunkline.errors import BadOption
from trunkline.reports.leaving import leave
from trunkline.reports.reading import read_report
from trunkline.reports.report import RunReport
from trunkline.reports.thresholds import parse_threshold

BOTH = [load_report(call(300, None)), replay_report(replayed(GREETING, ANSWER))]


@pytest.mark.parametrize("report", BOTH, ids=lambda report: report.kind)
def test_what_was_left_is_read_again_with_its_page_beside_it(report: RunReport, tmp_path: Path) -> None:
    out = tmp_path / "run.json"
    beside = leave(report, [parse_threshold("broken<=0")], out)
    assert read_report(out) == report
    assert beside == tmp_path / "run.html"
    assert report.title in beside.read_text()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "cannot be read"),
        ("{", "is no report"),
        ("[]", "its kind is None"),
        ('{"kind": "a poem"}', "its kind is 'a poem'"),
        ('{"kind": "trunkline replay"}', "of its fields are wrong or missing"),
    ],
)
def test_what_is_no_report_is_refused_by_name(tmp_path: Path, text: str | None, words: str) -> None:
    path = tmp_path / "other.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(BadOption, match=words) as refused:
        read_report(path)
    assert "other.json" in str(refused.value)
