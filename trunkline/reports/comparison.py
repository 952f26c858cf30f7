"""Two runs side by side: what changed, and by how much."""

from __future__ import annotations

from dataclasses import dataclass

from trunkline.reports.report import RunReport
from trunkline.reports.thresholds import FIGURES


@dataclass(frozen=True, slots=True)
class Change:
    """One figure in both runs; `percent` is None where there is nothing to divide."""

    figure: str
    before: float | None
    after: float | None

    @property
    def percent(self) -> float | None:
        """How much more there is after."""
        if self.before is None or self.after is None or self.before == 0:
            return None
        return (self.after / self.before - 1) * 100


def compare(before: RunReport, after: RunReport) -> list[Change]:
    """Every figure that concerns either."""
    old, new = before.figures(), after.figures()
    return [Change(name, old.get(name), new.get(name)) for name in FIGURES if name in old or name in new]


def differing_plan(before: RunReport, after: RunReport) -> list[str]:
    """In what the two runs were not the same; the address does not count."""
    kinds = [f"kind: {before.kind} → {after.kind}"] if before.kind != after.kind else []
    keys = sorted((before.plan.keys() | after.plan.keys()) - {"url", "against"})
    return kinds + [
        f"{key}: {before.plan.get(key)} → {after.plan.get(key)}"
        for key in keys
        if before.plan.get(key) != after.plan.get(key)
    ]
