"""What callers heard of the strikes: the silence in the turns that a strike fell into.

A call is affected by a strike when it was reassigned from the process that was struck; where a process holds
no calls (session, router, analytics), every call that was talking then is. A turn counts when the strike came
between the first word of its question and the last of its answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from bench.chaos.invariants import Story
from bench.chaos.monkey import Strike
from contracts.messages import CallDetached, CallReassigned, CallStarted
from trunkline.load.report import CallRecord, Turn

HOLDERS: Final = frozenset({"stt", "llm", "tts", "gateway"})
_NOTICED_WITHIN_US: Final = 15_000_000


@dataclass(frozen=True, slots=True)
class Touched:
    """A turn that a strike fell into, and the silence in it: before the answer, beyond `endpoint_ms`, and in
    the answer.
    """

    strike: Strike
    turn: Turn
    silence_ms: float


def silence_ms(turn: Turn, endpoint_ms: float) -> float | None:
    """The silence that is not the caller's own pause; None where no answer came."""
    return None if turn.waited_ms is None else max(0.0, turn.waited_ms - endpoint_ms) + turn.gaps_ms


def touched(
    strikes: Sequence[Strike],
    calls: Sequence[CallRecord],
    stories: Iterable[Story],
    *,
    zero_us: int,
    spoken_s: float,
    endpoint_ms: float,
) -> tuple[list[Touched], list[Turn]]:
    """The turns that strikes fell into, and all the others. `spoken_s` is how long an utterance lasts."""
    by_carrier_id = {body.carrier_call_id: story for story in stories for body in story.bodies(CallStarted)}
    hit: list[Touched] = []
    spared: list[Turn] = []
    for call in calls:
        story = by_carrier_id.get(call.carrier_call_id)
        blows = [strike for strike in strikes if story and _affects(strike, story)]
        for turn in call.turns:
            strike = next((one for one in blows if _within(one, turn, zero_us, spoken_s)), None)
            silent_ms = silence_ms(turn, endpoint_ms)
            if strike is None or silent_ms is None:
                spared.append(turn)
            else:
                hit.append(Touched(strike, turn, silent_ms))
    return hit, spared


def _affects(strike: Strike, story: Story) -> bool:
    if strike.service not in HOLDERS:
        return True
    return any(_follows(strike, event) for event in story.events)


def _follows(strike: Strike, event: Any) -> bool:
    body = event.body
    lost = (isinstance(body, CallReassigned) and body.before == strike.process) or (
        isinstance(body, CallDetached) and body.gateway == strike.process
    )
    return lost and 0 <= event.at_us - strike.at_us <= _NOTICED_WITHIN_US


def _within(strike: Strike, turn: Turn, zero_us: int, spoken_s: float) -> bool:
    struck_s = (strike.at_us - zero_us) / 1e6
    begins_s = turn.said_s - spoken_s
    answer_s = ((turn.waited_ms or 0.0) + turn.heard_ms + turn.gaps_ms) / 1000
    return begins_s <= struck_s <= turn.said_s + answer_s
