"""Where a report is left: its JSON where it was asked for, its page beside it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from trunkline.reports.page import page
from trunkline.reports.report import RunReport
from trunkline.reports.thresholds import Threshold


def leave(report: RunReport, thresholds: Sequence[Threshold], out: Path) -> Path:
    """Write the report as JSON to `out` and as a page beside it; where the page is.

    The JSON also has what is worked out of the rest, for programs: figures, stages and verdicts.
    """
    content = report.model_dump(mode="json") | _worked_out(report, thresholds)
    out.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    beside = out.with_suffix(".html")
    beside.write_text(page(report, thresholds), encoding="utf-8")
    return beside


def _worked_out(report: RunReport, thresholds: Sequence[Threshold]) -> dict[str, Any]:
    figures = report.figures()
    return {
        "figures": figures,
        "stages": {stage: one.model_dump() for stage, one in report.stages().items()},
        "stages_in_the_recording": {
            stage: one.model_dump() for stage, one in report.earlier_stages().items()
        },
        "verdicts": [
            {"what": str(one), "found": figures.get(one.figure), "holds": one.holds(figures)}
            for one in thresholds
        ],
    }
