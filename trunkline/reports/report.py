"""What every report of a run of calls has, whoever the callers were, and the figures that sum it up."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any, Final, NamedTuple

from pydantic import BaseModel, ConfigDict

from trunkline.reports.samples import CALLERS, Cost, Sample, Spread, costs, spread

STAGES: Final = ("endpoint", "stt_decode", "llm_first_sentence", "tts_first_audio", "voice_to_voice")
"""Where the time of a turn goes, on the gateway's clock, as the record of the calls has it."""

StageTimes = dict[str, tuple[float, ...]]
"""The milliseconds of every turn, by stage."""


class Dropped(BaseModel):
    """Audio frames that one process dropped during the run, and why."""

    model_config = ConfigDict(frozen=True)

    process: str
    why: str
    frames: int


class LegDrops(BaseModel):
    """Frames that the gateway dropped of one leg, which ended `at_s` after the run began."""

    model_config = ConfigDict(frozen=True)

    at_s: float
    frames: int


class Difference(NamedTuple):
    """A turn that is not as it was, in words."""

    where: str
    then: str
    now: str


class RunReport(BaseModel, ABC):
    """One run. `stages_ms` and `leg_drops` are the record's, None where it was not read; `dropped` is what
    the processes of this machine say of themselves.
    """

    model_config = ConfigDict(frozen=True)

    kind: str
    version: str
    at: str
    plan: dict[str, Any]
    machine_before: dict[str, Any]
    machine_after: dict[str, Any]
    samples: tuple[Sample, ...]
    stages_ms: StageTimes | None = None
    leg_drops: tuple[LegDrops, ...] | None = None
    dropped: tuple[Dropped, ...] = ()

    @property
    @abstractmethod
    def title(self) -> str:
        """What kind of run it was."""

    @property
    @abstractmethod
    def waits_ms(self) -> list[float]:
        """Every answer's wait."""

    @property
    @abstractmethod
    def answered(self) -> float | None:
        """The share of turns that were answered, None where there was none."""

    @property
    @abstractmethod
    def broken(self) -> dict[str, int]:
        """Calls that were not held to their end, by what broke them."""

    def figures(self) -> dict[str, float | None]:
        """The figures by which runs are judged and compared, but for those that do not concern this one."""
        waits = spread(self.waits_ms)
        platform = [cost for name, cost in self.costs().items() if name != CALLERS]
        return {
            "p50": waits.p50,
            "p95": waits.p95,
            "p99": waits.p99,
            "max": waits.max,
            "answered": self.answered,
            "broken": float(sum(self.broken.values())),
            "most_calls": float(max((sample.calls for sample in self.samples), default=0)),
            "cpu": _total([cost.cpu_s_per_call_minute for cost in platform]),
            "memory": _total([cost.memory_mb_per_call for cost in platform]),
            **self._of_the_record(),
        }

    def stages(self) -> dict[str, Spread]:
        """The distribution of each stage."""
        return {stage: spread(values) for stage, values in (self.stages_ms or {}).items()}

    @property
    def earlier_ms(self) -> StageTimes:
        """The times in what was replayed; of a run that replays nothing, none."""
        return {}

    def earlier_stages(self) -> dict[str, Spread]:
        """The distribution of each stage in what was replayed."""
        return {stage: spread(values) for stage, values in self.earlier_ms.items()}

    def differences(self) -> list[Difference]:
        """What is not as it was in what was replayed."""
        return []

    def costs(self, from_s: float = 0.0, until_s: float = float("inf")) -> dict[str, Cost]:
        """What each process took between two moments; memory is counted from the first sample."""
        return costs(self.samples, from_s, until_s)

    def _of_the_record(self) -> dict[str, float | None]:
        found: dict[str, float | None] = {}
        if self.leg_drops is not None:
            found["dropped"] = float(sum(leg.frames for leg in self.leg_drops))
        for stage, times in self.stages().items():
            found |= {f"{stage}_p50": times.p50, f"{stage}_p95": times.p95}
        return found


def by_stage(turns: Iterable[dict[str, float]]) -> StageTimes:
    """The times of turns, each by stage, put together by stage and in the order of the turns."""
    found: dict[str, list[float]] = {stage: [] for stage in STAGES}
    for stage, ms in chain.from_iterable(turn.items() for turn in turns):
        found[stage].append(round(ms, 1))
    return {stage: tuple(values) for stage, values in found.items()}


def _total(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return round(sum(known), 4) if known else None
