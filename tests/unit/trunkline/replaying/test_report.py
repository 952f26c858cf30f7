from __future__ import annotations

import json
from dataclasses import replace

import pytest

from contracts.messages import EndReason
from tests.unit.trunkline.recording.samples import call_ref
from tests.unit.trunkline.replaying.samples import ANSWER, GREETING, recorded_call
from trunkline.recording.conversation import Conversation, Turn
from trunkline.replaying.legs import Fate, Leg
from trunkline.replaying.plan import Planned
from trunkline.replaying.report import Replayed, Thresholds, judge, report

DONE = Leg(Fate.DONE, "", 3.0)


def replayed(*turns: Turn, leg: Leg = DONE, over: bool = True) -> Replayed:
    now = Conversation(turns, heard_out=True, end=EndReason.CALLER_HUNG_UP) if over else None
    return Replayed(Planned(1, recorded_call(), 0.0), leg, "CA1", call_ref(7), now)


SAME = replayed(GREETING, replace(ANSWER, stages={"voice_to_voice": 700.0}))
WORSE = replayed(GREETING, replace(ANSWER, said_pii="wen"), replace(ANSWER, turn=2))
LOST = replayed(over=False, leg=Leg(Fate.FAILED, "the connection was lost", 0.0))


def holds(calls: list[Replayed], thresholds: Thresholds) -> list[bool]:
    return [verdict.holds for verdict in judge(calls, thresholds)]


def test_the_same_words_match_whatever_they_took() -> None:
    assert SAME.matched == len(SAME.pairs) == 2
    assert holds([SAME], Thresholds()) == [True, True]


def test_what_differs_is_new_or_is_missing_does_not_match() -> None:
    assert (WORSE.matched, len(WORSE.pairs)) == (1, 3)
    assert (LOST.matched, len(LOST.pairs)) == (0, 2)
    assert holds([SAME, WORSE], Thresholds()) == [False, True]
    assert holds([SAME, WORSE], Thresholds(min_match=0.6)) == [True, True]


def test_calls_that_broke_off_count_and_no_call_at_all_fails() -> None:
    assert holds([SAME, LOST], Thresholds(min_match=0)) == [True, False]
    assert holds([SAME, LOST], Thresholds(min_match=0, max_failed=1)) == [True, True]
    assert holds([replayed(GREETING, ANSWER, over=False)], Thresholds(min_match=0)) == [True, False]
    assert holds([], Thresholds(min_match=0)) == [False, True]


@pytest.mark.parametrize(("limit_ms", "fits"), [(700.0, True), (699.0, False)])
def test_the_wait_for_an_answer_can_be_limited(limit_ms: float, fits: bool) -> None:
    assert holds([SAME], Thresholds(max_p95_ms=limit_ms)) == [True, True, fits]


def test_a_wait_that_nobody_measured_is_not_within_a_limit() -> None:
    assert holds([LOST], Thresholds(min_match=0, max_failed=1, max_p95_ms=1000)) == [True, True, False]


def test_the_report_puts_then_beside_now() -> None:
    calls = [SAME, WORSE, LOST]
    content = report(calls, judge(calls, Thresholds()), {"recording": "x.tlrec"})
    assert json.loads(json.dumps(content)) == content
    assert content["recording"] == "x.tlrec"
    assert (content["calls_placed"], content["fates"]) == (3, {"done": 2, "failed": 1})
    assert (content["turns"], content["turns_matched"], content["calls_matched"]) == (7, 3, 1)
    wait = content["latency_ms"]["voice_to_voice"]
    assert (wait["recorded"]["count"], wait["recorded"]["p50"]) == (1, 500.0)
    assert (wait["replayed"]["count"], wait["replayed"]["max"]) == (3, 700.0)
    assert content["latency_ms"]["stt_decode"] == {"recorded": None, "replayed": None}
    first, second, third = content["calls"]
    assert [turn["matched"] for turn in second["turns"]] == [True, False, False]
    assert second["turns"][2]["recorded"] is None
    assert (first["matched"], second["matched"], third["matched"]) == (True, False, False)
    assert third["detail"] == "the connection was lost"
