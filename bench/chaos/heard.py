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
from contracts.messages import CallDetached, CallReassigned, CallStarted, Event
from trunkline.load.report import CallRecord, Turn

HOLDERS: Final = frozenset({"stt", "llm", "tts", "gateway"})
_NOTICED_WITHIN_US: Final = 15_000_000


@dataclass(frozen=True, slots=True)
class HeardTurn:
    """One turn of one caller: the strikes that fell into it, and for how much of the utterance the caller had
    a line to the platform.
    """

    story: Story | None
    turn: Turn
    strikes: tuple[Strike, ...]
    line_s: float

    @property
    def strike(self) -> Strike | None:
        """The first of the strikes."""
        return self.strikes[0] if self.strikes else None

    def silence_ms(self, endpoint_ms: float) -> float | None:
        """The silence that is not the caller's own pause: before the answer, beyond `endpoint_ms`, and in
        it. None where no answer came.
        """
        turn = self.turn
        return None if turn.waited_ms is None else max(0.0, turn.waited_ms - endpoint_ms) + turn.gaps_ms


def heard_turns(
    strikes: Sequence[Strike],
    calls: Sequence[CallRecord],
    stories: Iterable[Story],
    *,
    zero_us: int,
    spoken_s: float,
) -> list[HeardTurn]:
    """Every turn of every call. `spoken_s` is how long an utterance lasts."""
    by_carrier_id = {body.carrier_call_id: story for story in stories for body in story.bodies(CallStarted)}
    found: list[HeardTurn] = []
    for call in calls:
        story = by_carrier_id.get(call.carrier_call_id)
        blows = [blow for strike in strikes if story and (blow := _blow_to(story, strike))]
        for turn in call.turns:
            felt = tuple(one.strike for one in blows if one.falls_into(turn, zero_us, spoken_s))
            found.append(HeardTurn(story, turn, felt, _with_a_line_s(call, turn, spoken_s)))
    return found


def _with_a_line_s(call: CallRecord, turn: Turn, spoken_s: float) -> float:
    began_s, ended_s = turn.said_s - spoken_s, turn.said_s
    away_s = sum(max(0.0, min(until, ended_s) - max(since, began_s)) for since, until in call.away)
    return spoken_s - away_s


@dataclass(frozen=True, slots=True)
class _Blow:
    """A strike that a call felt: from when it was struck to when the call was with another process."""

    strike: Strike
    until_us: int

    def falls_into(self, turn: Turn, zero_us: int, spoken_s: float) -> bool:
        """Whether it came between the first word of a question and the last of its answer."""
        from_s, until_s = (self.strike.at_us - zero_us) / 1e6, (self.until_us - zero_us) / 1e6
        answer_s = ((turn.waited_ms or 0.0) + turn.heard_ms + turn.gaps_ms) / 1000
        return from_s <= turn.said_s + answer_s and until_s >= turn.said_s - spoken_s


def _blow_to(story: Story, strike: Strike) -> _Blow | None:
    """What the call felt of the strike, if anything."""
    if strike.service not in HOLDERS:
        return _Blow(strike, strike.at_us)
    moved = [event.at_us for event in story.events if _follows(strike, event)]
    return _Blow(strike, max(moved)) if moved else None


def _follows(strike: Strike, event: Event[Any]) -> bool:
    body = event.body
    lost = (isinstance(body, CallReassigned) and body.before == strike.process) or (
        isinstance(body, CallDetached) and body.gateway == strike.process
    )
    return lost and 0 <= event.at_us - strike.at_us <= _NOTICED_WITHIN_US
