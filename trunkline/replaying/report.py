"""What a replay found: each call against its recording, and latency by stage, then and now."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from pydantic import BaseModel, ConfigDict
from typing_extensions import override

from contracts.identities import CallRef
from contracts.messages import EndReason
from trunkline.recording.conversation import Conversation, Turn
from trunkline.replaying.legs import Fate, Leg
from trunkline.replaying.plan import Planned
from trunkline.reports.report import Difference, RunReport, StageTimes, by_stage

KIND: Final = "trunkline replay"
_NO_END: Final = "no end on record"


@dataclass(frozen=True, slots=True)
class Replayed:
    """One call that was placed again, as it came out.

    `conversation` is None where the record does not say that it ended.
    """

    planned: Planned
    leg: Leg
    carrier_call_id: str
    ref: CallRef | None
    conversation: Conversation | None

    @property
    def ok(self) -> bool:
        """Whether it was answered, went to its end, and the record says so."""
        return self.leg.fate is Fate.DONE and self.conversation is not None

    @property
    def pairs(self) -> list[tuple[Turn | None, Turn | None]]:
        """Each turn as it was and as it is now, the greeting being the first; None where there is none."""
        then = {turn.turn: turn for turn in self.planned.recorded.conversation.turns}
        now = {turn.turn: turn for turn in self.turns}
        order = sorted(then.keys() | now.keys(), key=lambda turn: -1 if turn is None else turn)
        return [(then.get(turn), now.get(turn)) for turn in order]

    @property
    def turns(self) -> tuple[Turn, ...]:
        """The turns as they are now."""
        return self.conversation.turns if self.conversation else ()

    @property
    def matched(self) -> int:
        """How many turns are word for word what they were."""
        return sum(_same(then, now) for then, now in self.pairs)


class TurnSaid(BaseModel):
    """A turn and its answer. `turn` is None for the greeting."""

    model_config = ConfigDict(frozen=True)

    turn: int | None
    said_pii: str
    answered_pii: tuple[str, ...]
    interrupted: bool
    latency_ms: dict[str, float]


class TurnPair(BaseModel):
    """A turn as it was and as it is; None where there is none."""

    model_config = ConfigDict(frozen=True)

    matched: bool
    recorded: TurnSaid | None
    replayed: TurnSaid | None


class CallName(BaseModel):
    """A call on a bus."""

    model_config = ConfigDict(frozen=True)

    tenant: str
    call: str


class Ends(BaseModel):
    """How the call ended, then and now."""

    model_config = ConfigDict(frozen=True)

    recorded: EndReason | None
    replayed: EndReason | None


class ReplayedCall(BaseModel):
    """One call that was placed again, for the report."""

    model_config = ConfigDict(frozen=True)

    number: int
    begins_s: float
    recorded: CallName
    replayed: CallName | None
    carrier_call_id: str
    fate: Fate
    detail: str
    on_record: bool
    frames_missing_in_recording: int
    worst_lateness_ms: float
    end: Ends
    matched: bool
    turns: tuple[TurnPair, ...]


class ReplayReport(RunReport):
    """All of it, for programs. It holds what callers said. `recorded_ms` has each recorded call once."""

    kind: str = KIND
    versions: dict[str, str]
    recorded_ms: StageTimes
    calls: tuple[ReplayedCall, ...]

    @property
    @override
    def title(self) -> str:
        """What kind of run it was."""
        return "Replay"

    @property
    @override
    def waits_ms(self) -> list[float]:
        """Every answer's wait, on the gateway's clock."""
        return list((self.stages_ms or {}).get("voice_to_voice", ()))

    @property
    @override
    def answered(self) -> float | None:
        """The share of the turns answered then that are answered now."""
        then = [pair for pair in self._pairs if pair.recorded is not None and pair.recorded.answered_pii]
        now = [pair for pair in then if pair.replayed is not None and pair.replayed.answered_pii]
        return len(now) / len(then) if then else None

    @property
    @override
    def broken(self) -> dict[str, int]:
        """Calls that were refused, broken off, or have no end on record."""
        bad = [call for call in self.calls if call.fate is not Fate.DONE or not call.on_record]
        return dict(Counter(call.detail or _NO_END for call in bad))

    @override
    def figures(self) -> dict[str, float | None]:
        """Those of every run, and the share of turns that are what they were."""
        same = [pair.matched for pair in self._pairs]
        return {**super().figures(), "matched": sum(same) / len(same) if same else None}

    @property
    @override
    def earlier_ms(self) -> StageTimes:
        """The times in the recording."""
        return self.recorded_ms

    @override
    def differences(self) -> list[Difference]:
        """Every turn that is not as it was."""
        return [_difference(call, pair) for call in self.calls for pair in call.turns if not pair.matched]

    @property
    def _pairs(self) -> list[TurnPair]:
        return [pair for call in self.calls for pair in call.turns]


def stages_then(calls: Sequence[Replayed]) -> StageTimes:
    """The times of the recorded turns, each recorded call once however often it was placed."""
    once = {call.planned.recorded.entry.ref: call.planned.recorded for call in calls}
    return by_stage(turn.stages for recorded in once.values() for turn in recorded.conversation.turns)


def stages_now(calls: Sequence[Replayed]) -> StageTimes:
    """The times of all turns that came of it."""
    return by_stage(turn.stages for call in calls for turn in call.turns)


def for_report(call: Replayed) -> ReplayedCall:
    """A call as a report has it."""
    recorded = call.planned.recorded
    return ReplayedCall(
        number=call.planned.number,
        begins_s=round(call.planned.begins_s, 3),
        recorded=_name(recorded.entry.ref),
        replayed=_name(call.ref) if call.ref else None,
        carrier_call_id=call.carrier_call_id,
        fate=call.leg.fate,
        detail=call.leg.detail,
        on_record=call.conversation is not None,
        frames_missing_in_recording=recorded.audio.missing,
        worst_lateness_ms=round(call.leg.worst_lateness_ms, 1),
        end=Ends(
            recorded=recorded.conversation.end,
            replayed=call.conversation.end if call.conversation else None,
        ),
        matched=call.matched == len(call.pairs),
        turns=tuple(
            TurnPair(matched=_same(then, now), recorded=_said(then), replayed=_said(now))
            for then, now in call.pairs
        ),
    )


def _same(then: Turn | None, now: Turn | None) -> bool:
    return then is not None and now is not None and then.matches(now)


def _name(ref: CallRef) -> CallName:
    return CallName(tenant=ref.tenant, call=ref.call)


def _said(turn: Turn | None) -> TurnSaid | None:
    if turn is None:
        return None
    latency_ms = {stage: round(ms, 1) for stage, ms in turn.stages.items()}
    return TurnSaid(
        turn=turn.turn,
        said_pii=turn.said_pii,
        answered_pii=turn.answered_pii,
        interrupted=turn.interrupted,
        latency_ms=latency_ms,
    )


def _difference(call: ReplayedCall, pair: TurnPair) -> Difference:
    turn = pair.recorded or pair.replayed
    assert turn is not None
    name = "greeting" if turn.turn is None else f"turn {turn.turn}"
    return Difference(f"call {call.number}, {name}", _words(pair.recorded), _words(pair.replayed))


def _words(turn: TurnSaid | None) -> str:
    if turn is None:
        return "there was none"
    cut = ", interrupted" if turn.interrupted else ""
    return f"{turn.said_pii!r} -> {' '.join(turn.answered_pii)!r}{cut}"
