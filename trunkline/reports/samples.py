"""What was seen of a run once a second, and what each process took of the machine meanwhile."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

import numpy as np
from pydantic import BaseModel, ConfigDict

CALLERS: Final = "callers"
"""The name under which the run's own process stands among those of the platform."""


class Sample(BaseModel):
    """One look: calls that are up, how often agents have spoken, calls that broke; and of each process the
    CPU time so far and its memory.
    """

    model_config = ConfigDict(frozen=True)

    at_s: float
    calls: int
    spurts: int
    broken: int
    cpu_s: dict[str, float]
    memory_mb: dict[str, float]


class Spread(BaseModel):
    """A distribution in milliseconds, None where there is nothing to tell."""

    model_config = ConfigDict(frozen=True)

    count: int
    p50: float | None = None
    p95: float | None = None
    p99: float | None = None
    max: float | None = None


class Cost(BaseModel):
    """What one process took: CPU-seconds per minute of call, and memory beyond that before the first call."""

    model_config = ConfigDict(frozen=True)

    cpu_s_per_call_minute: float | None
    memory_mb_before: float
    memory_mb_most: float
    memory_mb_per_call: float | None


def spread(values: Sequence[float]) -> Spread:
    """Percentiles of `values`."""
    if not values:
        return Spread(count=0)
    p50, p95, p99 = (round(float(one), 1) for one in np.percentile(values, (50, 95, 99)))
    return Spread(count=len(values), p50=p50, p95=p95, p99=p99, max=round(max(values), 1))


def costs(samples: Sequence[Sample], from_s: float, until_s: float) -> dict[str, Cost]:
    """The cost of each process that lived through the samples between two moments."""
    looked = [sample for sample in samples if from_s <= sample.at_s <= until_s]
    if not looked:
        return {}
    first, last = looked[0], looked[-1]
    call_minutes = sum((a.calls + b.calls) / 2 * (b.at_s - a.at_s) for a, b in pairwise(looked)) / 60
    most_calls = max(sample.calls for sample in looked)
    found = {}
    for name in sorted(first.cpu_s.keys() & last.cpu_s.keys()):
        cpu_s = last.cpu_s[name] - first.cpu_s[name]
        before = samples[0].memory_mb.get(name, first.memory_mb[name])
        most = max(sample.memory_mb[name] for sample in looked if name in sample.memory_mb)
        found[name] = Cost(
            cpu_s_per_call_minute=round(cpu_s / call_minutes, 4) if call_minutes else None,
            memory_mb_before=round(before, 1),
            memory_mb_most=round(most, 1),
            memory_mb_per_call=round((most - before) / most_calls, 3) if most_calls else None,
        )
    return found
