"""What a replay found: each call against its recording, latency by stage then and now, and the verdict."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from contracts.identities import CallRef
from trunkline.recording.conversation import Conversation, Turn
from trunkline.replaying.legs import Fate, Leg
from trunkline.replaying.plan import Planned

VERSION: Final = 1
STAGES: Final = ("endpoint", "stt_decode", "llm_first_sentence", "tts_first_audio", "voice_to_voice")


@dataclass(frozen=True, slots=True)
class Replayed:
    """One call that was placed again. `conversation` is None where the record does not say that it ended."""

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
        now = {turn.turn: turn for turn in self.conversation.turns} if self.conversation else {}
        order = sorted(then.keys() | now.keys(), key=lambda turn: -1 if turn is None else turn)
        return [(then.get(turn), now.get(turn)) for turn in order]

    @property
    def matched(self) -> int:
        """How many turns are word for word what they were."""
        return sum(_same(then, now) for then, now in self.pairs)


@dataclass(frozen=True, slots=True)
class Thresholds:
    """What fails a replay: a share of turns, a number of calls, milliseconds of the 95th percentile."""

    min_match: float = 1.0
    max_failed: int = 0
    max_p95_ms: float | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """One threshold, what was found, and whether it holds."""

    what: str
    found: str
    holds: bool


def judge(calls: Sequence[Replayed], thresholds: Thresholds) -> list[Verdict]:
    """The verdicts on a replay; with no call at all it has failed."""
    turns, matched = sum(len(call.pairs) for call in calls), sum(call.matched for call in calls)
    share = matched / turns if turns else 0.0
    failed = sum(not call.ok for call in calls)
    verdicts = [
        Verdict(
            f"at least {thresholds.min_match:.0%} of turns match",
            f"{matched} of {turns} ({share:.1%})",
            bool(turns) and share >= thresholds.min_match,
        ),
        Verdict(
            f"at most {thresholds.max_failed} calls refused or broken off",
            f"{failed} of {len(calls)}",
            failed <= thresholds.max_failed,
        ),
    ]
    if thresholds.max_p95_ms is not None:
        waits = [ms for call in calls for ms in _stage_ms(_now(call), "voice_to_voice")]
        p95_ms = float(np.percentile(waits, 95)) if waits else None
        verdicts.append(
            Verdict(
                f"p95 of the wait for an answer at most {thresholds.max_p95_ms:g} ms",
                "no answer was measured" if p95_ms is None else f"{p95_ms:.0f} ms",
                p95_ms is not None and p95_ms <= thresholds.max_p95_ms,
            )
        )
    return verdicts


def report(calls: Sequence[Replayed], verdicts: Sequence[Verdict], facts: dict[str, Any]) -> dict[str, Any]:
    """All of it, for programs. It holds what callers said."""
    once = {call.planned.recorded.entry.ref: call.planned.recorded for call in calls}
    then = [turn for recorded in once.values() for turn in recorded.conversation.turns]
    now = [turn for call in calls for turn in _now(call)]
    return {
        "version": VERSION,
        **facts,
        "calls_placed": len(calls),
        "fates": dict(Counter(call.leg.fate.value for call in calls)),
        "turns": sum(len(call.pairs) for call in calls),
        "turns_matched": sum(call.matched for call in calls),
        "calls_matched": sum(call.matched == len(call.pairs) for call in calls),
        "worst_caller_lateness_ms": round(
            max((call.leg.worst_lateness_ms for call in calls), default=0.0), 1
        ),
        "latency_ms": {
            stage: {"recorded": _spread(then, stage), "replayed": _spread(now, stage)} for stage in STAGES
        },
        "verdicts": [
            {"what": verdict.what, "found": verdict.found, "holds": verdict.holds} for verdict in verdicts
        ],
        "calls": [_call(call) for call in calls],
    }


def _same(then: Turn | None, now: Turn | None) -> bool:
    return then is not None and now is not None and then.matches(now)


def _now(call: Replayed) -> tuple[Turn, ...]:
    return call.conversation.turns if call.conversation else ()


def _stage_ms(turns: Iterable[Turn], stage: str) -> list[float]:
    return [turn.stages[stage] for turn in turns if stage in turn.stages]


def _spread(turns: Iterable[Turn], stage: str) -> dict[str, float] | None:
    values = _stage_ms(turns, stage)
    if not values:
        return None
    p50, p95, p99 = np.percentile(values, (50, 95, 99))
    figures = {"p50": p50, "p95": p95, "p99": p99, "max": max(values)}
    return {"count": len(values), **{name: round(float(ms), 1) for name, ms in figures.items()}}


def _call(call: Replayed) -> dict[str, Any]:
    recorded = call.planned.recorded
    return {
        "number": call.planned.number,
        "begins_s": round(call.planned.begins_s, 3),
        "recorded": recorded.entry.ref._asdict(),
        "replayed": call.ref._asdict() if call.ref else None,
        "carrier_call_id": call.carrier_call_id,
        "fate": call.leg.fate.value,
        "detail": call.leg.detail,
        "frames_missing_in_recording": recorded.audio.missing,
        "end": {
            "recorded": recorded.conversation.end,
            "replayed": call.conversation.end if call.conversation else None,
        },
        "matched": call.matched == len(call.pairs),
        "turns": [
            {"matched": _same(then, now), "recorded": _turn(then), "replayed": _turn(now)}
            for then, now in call.pairs
        ],
    }


def _turn(turn: Turn | None) -> dict[str, Any] | None:
    if turn is None:
        return None
    return {
        "turn": turn.turn,
        "said_pii": turn.said_pii,
        "answered_pii": list(turn.answered_pii),
        "interrupted": turn.interrupted,
        "latency_ms": {stage: round(ms, 1) for stage, ms in turn.stages.items()},
    }
