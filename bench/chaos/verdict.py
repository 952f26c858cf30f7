"""The figures of a chaos run: what was struck, what broke, what was heard. Pure: an `Outcome` in, a dict out.

What a caller says while he has no socket reaches nobody, and nobody can answer it; such turns are counted by
themselves. Every other turn is to be answered, once and whole. A sentence is heard twice where its gateway
was lost while it played, because nobody knows how much of it the caller got.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any, Final

from bench.chaos.course import course, whole_course
from bench.chaos.heard import HeardTurn, heard_turns
from bench.chaos.invariants import Story, faults_of
from bench.chaos.monkey import Strike
from contracts.messages import CallStarted
from trunkline.load.report import HEARD_OUT, LoadReport
from trunkline.reports.samples import spread

MOST_TOLD: Final = 50
LONG_SILENCE_MS: Final = 2_500.0
GATEWAY: Final = "gateway"
_TOO_LITTLE_S: Final = 0.3
_SHOWN_US: Final = 10_000_000


@dataclass(frozen=True, slots=True)
class Scene:
    """What is said in a run: utterances of `spoken_s`, and answers of so many audible milliseconds, from and
    to, that begin no earlier than `endpoint_ms` after the last word.
    """

    spoken_s: float
    endpoint_ms: float
    whole_answer_ms: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Outcome:
    """A run and what was found afterwards. `zero_us` is the wall clock at its second 0."""

    strikes: list[Strike]
    report: LoadReport
    stories: list[Story]
    slots_held: int
    zero_us: int


def judged(outcome: Outcome, scene: Scene) -> dict[str, Any]:
    """The figures."""
    report, strikes = outcome.report, outcome.strikes
    turns = heard_turns(
        strikes, report.calls, outcome.stories, zero_us=outcome.zero_us, spoken_s=scene.spoken_s
    )
    silences = [(one, one.silence_ms(scene.endpoint_ms)) for one in turns]
    usual_ms = [ms for one, ms in silences if one.strike is None and ms is not None]
    middle_ms = spread(usual_ms).p50 or 0.0
    struck = [(one, max(0.0, ms - middle_ms)) for one, ms in silences if one.strike and ms is not None]
    odd = [(one, why) for one, ms in silences if (why := _what_is_odd(one, ms, middle_ms, scene))]
    faults = [fault for story in outcome.stories for fault in faults_of(story)]
    counts = Counter(why for _, why in odd)
    rarest_first = sorted(odd, key=lambda pair: counts[pair[1]])
    return {
        "strikes": len(strikes),
        "strikes_by_process": dict(Counter(f"{one.blow} {one.process}" for one in strikes)),
        "back_s": spread([one.back_s * 1000 for one in strikes]).model_dump(),
        "calls": len(report.calls),
        "calls_dropped": sum(call.ending != HEARD_OUT for call in report.calls),
        "endings": dict(Counter(call.ending for call in report.calls)),
        "turns": len(turns),
        "turns_struck": len(struck),
        "turns_unanswered": counts["unanswered"],
        "turns_said_without_a_line": counts["said without a line"],
        "answers_cut_short": counts["cut short"],
        "answers_too_long": counts["too long"],
        "answers_said_again_after_a_gateway": counts["said again"],
        "silences_not_by_a_strike": counts["silent"],
        "odd_turns": [_tell(one, why, outcome, scene) for one, why in rarest_first[:MOST_TOLD]],
        "broken_promises": dict(Counter(fault.promise for fault in faults)),
        "faults": [f"{one.call}: {one.promise}: {one.detail}" for one in faults[:MOST_TOLD]],
        "courses_of_faulty_calls": _courses(
            {one.call for one in faults[:MOST_TOLD]} | _dropped(outcome), outcome
        ),
        "stale_events_in_the_stream": sum(len(story.stale) for story in outcome.stories),
        "slots_held_at_the_end": outcome.slots_held,
        "usual_silence_ms": spread(usual_ms).model_dump(),
        "silence_by_a_strike_ms": spread([ms for _, ms in struck]).model_dump(),
        "by_service": _by_service(struck),
    }


def _what_is_odd(one: HeardTurn, silent_ms: float | None, usual_ms: float, scene: Scene) -> str:
    """In a word, why somebody should look at this turn; empty where all was well."""
    low, high = scene.whole_answer_ms
    if silent_ms is None:
        return "said without a line" if one.line_s < _TOO_LITTLE_S else "unanswered"
    if one.turn.audible_ms < low:
        return "cut short"
    if one.turn.audible_ms > high:
        return "said again" if any(strike.service == GATEWAY for strike in one.strikes) else "too long"
    if silent_ms - usual_ms > LONG_SILENCE_MS:
        return "struck silent" if one.strike else "silent"
    return ""


def _tell(one: HeardTurn, why: str, outcome: Outcome, scene: Scene) -> dict[str, Any]:
    strike, story, zero_us = one.strike, one.story, outcome.zero_us
    began_us = zero_us + round((one.turn.said_s - scene.spoken_s) * 1e6)
    return {
        "why": why,
        "call": story.ref.call if story else "",
        **one.turn.model_dump(),
        "line_s": round(one.line_s, 3),
        "strike": f"{strike.blow} {strike.process}" if strike else "",
        "struck_s": round((strike.at_us - zero_us) / 1e6, 3) if strike else None,
        "course": course(story, began_us, began_us + _SHOWN_US, zero_us) if story else [],
    }


def _dropped(outcome: Outcome) -> set[str]:
    """The calls that a caller lost, of those in the record."""
    lost = {call.carrier_call_id for call in outcome.report.calls if call.ending != HEARD_OUT}
    begun = ((story, body) for story in outcome.stories for body in story.bodies(CallStarted))
    return {story.ref.call for story, body in begun if body.carrier_call_id in lost}


def _courses(calls: AbstractSet[str], outcome: Outcome) -> dict[str, list[str]]:
    """All that the stream says of these calls, without which nobody can tell what broke the promise."""
    told = (story for story in outcome.stories if story.ref.call in calls)
    return {story.ref.call: whole_course(story, outcome.zero_us) for story in told}


def _by_service(struck: Sequence[tuple[HeardTurn, float]]) -> dict[str, Any]:
    """The silence by blow and service."""
    by_kind: dict[str, list[float]] = {}
    for one, silent_ms in struck:
        if one.strike is not None:
            by_kind.setdefault(f"{one.strike.blow} {one.strike.service}", []).append(silent_ms)
    return {kind: spread(values).model_dump() for kind, values in sorted(by_kind.items())}
