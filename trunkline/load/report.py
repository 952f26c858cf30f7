"""What a load run found: every call and every turn, as the callers heard them."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, ValidationError
from typing_extensions import override

from trunkline.errors import BadOption
from trunkline.reports.report import RunReport

KIND: Final = "trunkline load"

HEARD_OUT: Final = "hung_up"
"""How a call ends that was held to its end."""


class Turn(BaseModel):
    """One utterance: when its last loud frame left, and what came back before the next one began.

    Times are seconds since the run began; `waited_ms` is None when nothing came, `gaps_ms` the silence within
    what came, `audible_ms` what is left of it without any pause.
    """

    model_config = ConfigDict(frozen=True)

    said_s: float
    waited_ms: float | None
    heard_ms: float
    gaps_ms: float = 0.0
    audible_ms: float = 0.0


class CallRecord(BaseModel):
    """One call. `ending` is `hung_up` when it was held to its end, else what broke it; `away` are the
    stretches, from and to, in which its caller had no socket.
    """

    model_config = ConfigDict(frozen=True)

    called: str
    carrier_call_id: str = ""
    began_s: float
    ended_s: float
    ending: str
    turns: tuple[Turn, ...]
    away: tuple[tuple[float, float], ...] = ()
    expected: int
    frames_sent: int
    frames_heard: int
    worst_lateness_ms: float


class LoadReport(RunReport):
    """One run. `talk_from_s` is when scripts began where all began together, else 0."""

    kind: str = KIND
    talk_from_s: float
    calls: tuple[CallRecord, ...]

    @property
    @override
    def title(self) -> str:
        """What kind of run it was."""
        return "Load run"

    @property
    @override
    def waits_ms(self) -> list[float]:
        """Every answer's wait, by the caller's ear."""
        return [turn.waited_ms for call in self.calls for turn in call.turns if turn.waited_ms is not None]

    @property
    def expected(self) -> int:
        """Turns that should have been answered."""
        return sum(call.expected for call in self.calls)

    @property
    @override
    def answered(self) -> float | None:
        """The share of them that were."""
        return len(self.waits_ms) / self.expected if self.expected else None

    @property
    @override
    def broken(self) -> dict[str, int]:
        """Calls that were not held to their end, by what broke them."""
        endings = [call.ending for call in self.calls if call.ending != HEARD_OUT]
        return {ending: endings.count(ending) for ending in dict.fromkeys(endings)}


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
