from __future__ import annotations

import json
from pathlib import Path

from tests.unit.trunkline.replaying.reports import replay_report, replayed
from tests.unit.trunkline.replaying.samples import ANSWER, GREETING
from trunkline.reports.leaving import leave
from trunkline.reports.thresholds import parse_threshold


def test_programs_find_figures_stages_and_verdicts_in_the_json(tmp_path: Path) -> None:
    out = tmp_path / "run.json"
    leave(
        replay_report(replayed(GREETING, ANSWER)),
        [parse_threshold("matched>=1"), parse_threshold("p95<=10")],
        out,
    )
    content = json.loads(out.read_text())
    assert content["figures"]["matched"] == 1
    assert content["stages"]["endpoint"]["p95"] == 300
    assert content["stages_in_the_recording"]["endpoint"]["p95"] == 300
    assert content["verdicts"] == [
        {"what": "matched>=1", "found": 1, "holds": True},
        {"what": "p95<=10", "found": 500, "holds": False},
    ]
