"""What a load run found: every call, every turn, a sample a second; and the few figures that sum it up."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from trunkline.errors import BadOption

CALLERS: Final = "callers"
"""The name under which the run's own process stands among those of the platform."""

HEARD_OUT: Final = "hung_up"
"""How a call ends that was held to its end."""


class Turn(BaseModel):
    """One utterance: when its last loud frame left, and what came back before the next one began.

    Times are seconds since the run began; `waited_ms` is None when nothing came, `gaps_ms` the silence within
    what came.
    """

    model_config = ConfigDict(frozen=True)

    said_s: float
    waited_ms: float | None
    heard_ms: float
    gaps_ms: float = 0.0


class CallRecord(BaseModel):
    """One call. `ending` is `hung_up` when it was held to its end, else what broke it."""

    model_config = ConfigDict(frozen=True)

    called: str
    carrier_call_id: str = ""
    began_s: float
    ended_s: float
    ending: str
    turns: tuple[Turn, ...]
    expected: int
    frames_sent: int
    frames_heard: int
    worst_lateness_ms: float


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


class LoadReport(BaseModel):
    """One run. `talk_from_s` is when scripts began where all began together, else 0."""

    model_config = ConfigDict(frozen=True)

    kind: str = "trunkline load"
    version: str
    at: str
    plan: dict[str, Any]
    machine_before: dict[str, Any]
    machine_after: dict[str, Any]
    talk_from_s: float
    calls: tuple[CallRecord, ...]
    samples: tuple[Sample, ...]

    @property
    def waits_ms(self) -> list[float]:
        """Every answer's wait."""
        return [turn.waited_ms for call in self.calls for turn in call.turns if turn.waited_ms is not None]

    @property
    def expected(self) -> int:
        """Turns that should have been answered."""
        return sum(call.expected for call in self.calls)

    @property
    def broken(self) -> dict[str, int]:
        """Calls that were not held to their end, by what broke them."""
        endings = [call.ending for call in self.calls if call.ending != HEARD_OUT]
        return {ending: endings.count(ending) for ending in dict.fromkeys(endings)}

    def figures(self) -> dict[str, float | None]:
        """The figures by which runs are judged and compared."""
        waits = spread(self.waits_ms)
        costs = [cost for name, cost in self.costs().items() if name != CALLERS]
        return {
            "p50": waits.p50,
            "p95": waits.p95,
            "p99": waits.p99,
            "max": waits.max,
            "answered": waits.count / self.expected if self.expected else None,
            "broken": float(sum(self.broken.values())),
            "most_calls": float(max((sample.calls for sample in self.samples), default=0)),
            "cpu": _total([cost.cpu_s_per_call_minute for cost in costs]),
            "memory": _total([cost.memory_mb_per_call for cost in costs]),
        }

    def costs(self, from_s: float = 0.0, until_s: float = float("inf")) -> dict[str, Cost]:
        """What each process took between two moments; memory is counted from the first sample."""
        return costs(self.samples, from_s, until_s)


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


def read_report(path: Path) -> LoadReport:
    """The report at `path`; raises BadOption when there is none."""
    try:
        return LoadReport.model_validate_json(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadOption(f"{path} cannot be read: {error.strerror}", mend="name a report's JSON") from error
    except ValidationError as error:
        raise BadOption(
            f"{path} is no report of a load run: {error.error_count()} of its fields are wrong or missing",
            mend="name the JSON that trunkline load wrote",
        ) from error


def _total(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return round(sum(known), 4) if known else None
