"""What the figures of a chaos run count, on runs made by hand."""

from __future__ import annotations

from typing import Any

import pytest

from bench.chaos.invariants import Story, stories
from bench.chaos.monkey import Blow, Strike
from bench.chaos.verdict import Outcome, Scene, judged
from contracts import messages as m
from tests.unit.bench.chaos.test_invariants import ENDED, REF, SOUND, STARTED, said, turn
from tests.unit.trunkline.load.reports import call, report
from trunkline.load.report import CallRecord, Turn

SCENE = Scene(spoken_s=2.0, endpoint_ms=300.0, whole_answer_ms=(1_900.0, 2_150.0))
ZERO_US = 1_000_000_000


def at(seconds: float) -> int:
    return ZERO_US + round(seconds * 1e6)


def strike(process: str, seconds: float, blow: Blow = Blow.KILL) -> Strike:
    return Strike(process, blow, at(seconds), back_s=5.0)


def a_call(*turns: Turn, away: tuple[tuple[float, float], ...] = ()) -> CallRecord:
    return call().model_copy(update={"turns": turns, "carrier_call_id": "CA1", "away": away})


def a_turn(said_s: float, waited_ms: float | None = 350.0, audible_ms: float = 2_000.0, **more: Any) -> Turn:
    heard = {"heard_ms": audible_ms, "audible_ms": audible_ms}
    return Turn(said_s=said_s, waited_ms=waited_ms, **{**heard, **more})


def moved(seconds: float, role: m.Role = m.Role.STT, before: str = "stt-1") -> m.Event[Any]:
    body = m.CallReassigned(role=role, process="x-9", epoch=2, before=before, why=m.Replaced.LOST)
    return said(body).model_copy(update={"at_us": at(seconds)})


def lost(seconds: float) -> m.Event[Any]:
    body = m.CallDetached(gateway="gateway-1", wait_s=15)
    return said(body).model_copy(update={"at_us": at(seconds)})


def figures(record: CallRecord, *strikes: Strike, told: list[Story] | None = None) -> dict[str, Any]:
    return judged(Outcome(list(strikes), report(record), told or stories(SOUND), 0, ZERO_US), SCENE)


def test_a_quiet_run_has_nothing_to_tell() -> None:
    found = figures(a_call(a_turn(10), a_turn(20)))
    assert found["turns"] == 2
    assert found["usual_silence_ms"]["p50"] == 50.0
    assert [found[name] for name in ("odd_turns", "faults", "calls_dropped", "turns_struck")] == [
        [],
        [],
        0,
        0,
    ]


def test_a_stutter_in_an_answer_is_no_doubled_word() -> None:
    assert figures(a_call(a_turn(10, heard_ms=2_240.0)))["answers_too_long"] == 0


def test_a_broken_call_is_counted_as_dropped() -> None:
    found = figures(a_call(a_turn(10)).model_copy(update={"ending": "lost"}))
    assert found["calls_dropped"] == 1
    assert found["endings"] == {"lost": 1}


@pytest.mark.parametrize(
    ("heard", "counted"),
    [
        (a_turn(20, None, 0.0), "turns_unanswered"),
        (a_turn(20, audible_ms=1_500.0), "answers_cut_short"),
        (a_turn(20, audible_ms=3_000.0), "answers_too_long"),
        (a_turn(20, 4_000.0), "silences_not_by_a_strike"),
        (a_turn(20, gaps_ms=3_000.0), "silences_not_by_a_strike"),
    ],
)
def test_each_kind_of_odd_turn_is_counted_and_told(heard: Turn, counted: str) -> None:
    found = figures(a_call(a_turn(0), a_turn(10), heard))
    assert found[counted] == 1
    (told,) = found["odd_turns"]
    assert (told["said_s"], told["call"], told["strike"]) == (20, REF.call, "")


@pytest.mark.parametrize(
    ("away", "counted"),
    [
        ((17.9, 20.0), "turns_said_without_a_line"),
        ((18.0, 19.0), "turns_unanswered"),
        ((20.1, 25.0), "turns_unanswered"),
    ],
)
def test_only_what_nobody_could_hear_may_stay_without_an_answer(
    away: tuple[float, float], counted: str
) -> None:
    found = figures(a_call(a_turn(20, None, 0.0), away=(away,)))
    both = ("turns_said_without_a_line", "turns_unanswered")
    assert {name: found[name] for name in both} == {name: int(name == counted) for name in both}


def test_the_silence_of_a_strike_is_that_beyond_the_usual() -> None:
    told = stories([*SOUND[:-1], moved(19.8), ENDED])
    found = figures(a_call(a_turn(10), a_turn(20, 1_650.0), a_turn(30)), strike("stt-1", 19.0), told=told)
    assert found["turns_struck"] == 1
    assert found["silence_by_a_strike_ms"]["max"] == 1_300.0
    assert found["by_service"]["kill stt"]["count"] == 1


def test_a_strike_at_somebody_elses_worker_is_not_felt() -> None:
    found = figures(
        a_call(a_turn(20)), strike("stt-2", 19.0), told=stories([*SOUND[:-1], moved(19.8), ENDED])
    )
    assert found["turns_struck"] == 0


def test_a_drain_is_felt_when_the_call_moves() -> None:
    told = stories([*SOUND[:-1], moved(18.5), ENDED])
    found = figures(a_call(a_turn(12), a_turn(20)), strike("stt-1", 15.5), told=told)
    assert found["turns_struck"] == 1


def test_everybody_feels_who_holds_no_calls() -> None:
    assert figures(a_call(a_turn(10), a_turn(20)), strike("session-1", 21.0))["turns_struck"] == 1


def test_a_sentence_may_be_heard_twice_only_where_its_gateway_was_lost() -> None:
    told = stories([STARTED, turn(1), moved(19.5), lost(21.0), ENDED])
    blows = strike("stt-1", 19.0), strike("gateway-1", 20.9)
    found = figures(a_call(a_turn(20, audible_ms=2_700.0)), *blows, told=told)
    assert (found["answers_said_again_after_a_gateway"], found["answers_too_long"]) == (1, 0)


def test_what_happened_in_an_odd_turn_is_told_in_order() -> None:
    told = stories([*SOUND[:-1], moved(19.0), turn(3).model_copy(update={"at_us": at(21.0)}), ENDED])
    found = figures(a_call(a_turn(20, None, 0.0)), told=told)
    assert found["odd_turns"][0]["course"] == [
        "19.000 call.reassigned e0 role=stt before=stt-1 process=x-9 why=lost",
        "21.000 turn.ended e1 turn=3 (stale)",
    ]


def test_broken_promises_are_named() -> None:
    found = figures(a_call(a_turn(10)), told=stories(SOUND[:-1]))
    assert found["broken_promises"] == {"a call ends once": 1}
    assert found["faults"] == [f"{REF.call}: a call ends once: call.ended 0 times"]
    assert list(found["courses_of_faulty_calls"]) == [REF.call]
    assert len(found["courses_of_faulty_calls"][REF.call]) == len(SOUND) - 1
