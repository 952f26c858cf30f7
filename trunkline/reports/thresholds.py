"""What a run must reach, as a line each: `p95<=50`, `answered>=0.99`. A run that does not has failed."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from trunkline.errors import BadOption
from trunkline.reports.report import STAGES

_OF_STAGES: Final = {
    f"{stage}_p{share}": f"ms of {stage} on the gateway's clock, {share} of 100 turns"
    for stage in STAGES
    for share in (50, 95)
}

FIGURES: Final[Mapping[str, str]] = {
    "p50": "ms waited for an answer, half of all turns",
    "p95": "ms waited, 95 of 100 turns",
    "p99": "ms waited, 99 of 100 turns",
    "max": "ms waited at worst",
    "answered": "share of turns that were answered, 0 to 1",
    "broken": "calls that were refused, lost or not connected",
    "most_calls": "calls up at the same time",
    "cpu": "CPU-seconds per call-minute, all processes of the platform",
    "memory": "MB per call, all processes of the platform",
    "matched": "share of turns whose words are those of the recording, 0 to 1",
    "dropped": "audio frames that gateways dropped of these calls",
    **_OF_STAGES,
}
"""What can be judged, and what it is."""

SUMMED_UP: Final = FIGURES.keys() - _OF_STAGES.keys()
"""Those of the whole; the others are of a stage, and stand with it."""

_COMPARE: Final[Mapping[str, Callable[[float, float], bool]]] = {
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
}
_FORM: Final = re.compile(r"\s*(\w+)\s*(<=|>=|<|>)\s*(\d+(?:\.\d+)?)\s*")


@dataclass(frozen=True, slots=True)
class Threshold:
    """One thing that a run must reach."""

    figure: str
    relation: str
    limit: float

    def __str__(self) -> str:
        return f"{self.figure}{self.relation}{self.limit:g}"

    def holds(self, figures: Mapping[str, float | None]) -> bool:
        """Whether it was reached; a figure that could not be measured was not."""
        found = figures.get(self.figure)
        return found is not None and _COMPARE[self.relation](found, self.limit)


def parse_threshold(text: str) -> Threshold:
    """A threshold as the command line says it; raises BadOption."""
    form = _FORM.fullmatch(text)
    if form is None:
        raise BadOption(
            f"--require {text!r} is no threshold", mend="write one like p95<=650 or answered>=0.99"
        )
    figure, relation, limit = form.groups()
    if figure not in FIGURES:
        raise BadOption(f"--require {text!r}: there is no {figure}", mend=f"use {', '.join(FIGURES)}")
    return Threshold(figure, relation, float(limit))
