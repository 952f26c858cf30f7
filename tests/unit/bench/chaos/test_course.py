"""How the story of a call is told, line by line."""

from __future__ import annotations

from bench.chaos.course import whole_course
from bench.chaos.invariants import stories
from contracts import messages as m
from tests.unit.bench.chaos.test_invariants import ENDED, SOUND, reassigned, said, turn


def test_what_happened_is_told_with_who_said_it_and_what_it_followed_from() -> None:
    late = turn(2, epoch=1)
    again = said(turn(2).body, 2, SOUND[1])
    (story,) = stories([*SOUND[:2], reassigned(m.Role.STT, 2), late, again, ENDED])
    assert whole_course(story, zero_us=0) == [
        "#1 0.000 call.started e0 gateway=gateway-1",
        "#2 0.000 speech.started e1 turn=1 by=x-1",
        "#3 0.000 call.reassigned e0 role=stt before=x-1 process=x-2 why=lost",
        "#4 0.000 turn.ended e1 turn=2 (stale) by=x-1",
        "#5 0.000 turn.ended e2 turn=2 by=x-2 cause=#2",
        "#6 0.000 call.ended e0 reason=caller_hung_up",
    ]
