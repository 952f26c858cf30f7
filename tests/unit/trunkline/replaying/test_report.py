from __future__ import annotations

from dataclasses import replace

import pytest

from tests.unit.trunkline.replaying.reports import replay_report, replayed
from tests.unit.trunkline.replaying.samples import ANSWER, GREETING
from trunkline.replaying.legs import Fate, Leg
from trunkline.replaying.report import ReplayReport

SAME = replayed(GREETING, replace(ANSWER, stages={"voice_to_voice": 700.0}))
WORSE = replayed(GREETING, replace(ANSWER, said_pii="wen"), replace(ANSWER, turn=2))
LOST = replayed(over=False, leg=Leg(Fate.FAILED, "the connection was lost", 0.0))


def test_the_same_words_match_whatever_they_took() -> None:
    assert SAME.matched == len(SAME.pairs) == 2
    report = replay_report(SAME)
    assert report.figures()["matched"] == 1
    assert report.differences() == []


def test_what_differs_is_new_or_is_missing_does_not_match() -> None:
    assert (WORSE.matched, len(WORSE.pairs)) == (1, 3)
    assert (LOST.matched, len(LOST.pairs)) == (0, 2)
    report = replay_report(SAME, WORSE, LOST)
    assert report.figures()["matched"] == pytest.approx(3 / 7)
    assert [(one.where, one.then, one.now) for one in report.differences()] == [
        ("call 1, turn 1", "'when' -> 'Now.'", "'wen' -> 'Now.'"),
        ("call 1, turn 2", "there was none", "'when' -> 'Now.'"),
        ("call 1, greeting", "'' -> 'Hello.'", "there was none"),
        ("call 1, turn 1", "'when' -> 'Now.'", "there was none"),
    ]


def test_calls_that_broke_off_or_have_no_end_count_by_what_broke_them() -> None:
    unrecorded = replayed(GREETING, ANSWER, over=False)
    report = replay_report(SAME, LOST, unrecorded)
    assert report.broken == {"the connection was lost": 1, "no end on record": 1}
    assert report.figures()["broken"] == 2
    assert report.answered == pytest.approx(2 / 6)


def test_of_no_call_at_all_nothing_is_known() -> None:
    figures = replay_report().figures()
    assert (figures["matched"], figures["answered"], figures["p95"]) == (None, None, None)


def test_latency_is_then_beside_now_each_recorded_call_once() -> None:
    report = replay_report(SAME, WORSE, LOST)
    then, now = report.earlier_stages(), report.stages()
    assert (then["voice_to_voice"].count, then["voice_to_voice"].p50) == (1, 500)
    assert (now["voice_to_voice"].count, now["voice_to_voice"].max) == (3, 700)
    assert then["stt_decode"].count == now["stt_decode"].count == 0
    assert report.figures()["p50"] == 500
    assert report.figures()["endpoint_p95"] == 300
    assert report.figures()["dropped"] == 3


def test_a_report_is_read_as_it_was_written() -> None:
    report = replay_report(SAME, WORSE, LOST)
    assert ReplayReport.model_validate_json(report.model_dump_json()) == report
