from __future__ import annotations

import io
import json
from dataclasses import replace
from datetime import UTC, datetime

from rich.console import Console

from tests.unit.trunkline.fake_agent import spoken
from trunkline.caller import Said
from trunkline.demo_report import Conversation, judge, latency_table, report
from trunkline.ledger import LedgerTurn
from trunkline.turn_taking import Exchange

BEGAN_US = 1_767_225_600_000_000


def turn(number: int, at_s: float, **changes: object) -> LedgerTurn:
    facts = {
        "turn": number,
        "reply": number + 1,
        "text_pii": f"Question {number}?",
        "answer_pii": f"Answer {number}.",
        "confidence": 0.9,
        "speech_ended_at": datetime.fromtimestamp(BEGAN_US / 1e6 + at_s, UTC),
        "stt_engine": "whisper",
        "llm_engine": "faq",
        "tts_engine": "piper",
        "tts_cached": False,
        "decode_ms": 250.0,
        "endpoint_ms": 380.0,
        "llm_first_sentence_ms": 8.0,
        "tts_first_audio_ms": 120.0,
        "voice_to_voice_ms": 520.0,
        "unexplained_ms": 12.0,
        "playout_outcome": "done",
        "interrupted": False,
        "heard_ms": 2500.0,
    }
    return LedgerTurn.model_validate({**facts, **changes})


def exchange(name: str, at_s: float, **changes: object) -> Exchange:
    said = Said(spoken(name), began=round(at_s * 8000) - 19 * 160)
    return replace(Exchange(said, answered=True, waited_ms=540.0), **changes)  # type: ignore[arg-type]  # of tests


def conversation() -> Conversation:
    return Conversation(
        exchanges=(
            exchange("hours", 5),
            exchange("parking", 10),
            exchange("wait", 13, interrupts=True, stopped_ms=140.0),
            exchange("bye", 20),
        ),
        turns=(
            turn(1, 5.05),
            turn(2, 9.98, interrupted=True, playout_outcome="cancelled", heard_ms=2100.0),
            turn(3, 13.1),
            turn(4, 20.0),
        ),
        began_us=BEGAN_US,
        expected=4,
    )


def failing(found: Conversation, broke_off: str = "") -> list[tuple[str, str]]:
    return [(one.what, one.found) for one in judge(found, broke_off) if not one.holds]


def test_a_turn_is_the_one_that_ended_when_the_caller_did() -> None:
    found = conversation()
    assert [one.turn for one in map(found.turn_of, found.exchanges) if one] == [1, 2, 3, 4]
    assert found.turn_of(exchange("never", 100)) is None


def test_all_is_well() -> None:
    verdicts = judge(conversation())
    assert len(verdicts) == 5
    assert all(verdict.holds for verdict in verdicts)
    assert verdicts[-1].found == "140 ms after the caller began; 2.1 s had been heard"


def test_what_failed_is_said() -> None:
    good = conversation()
    first, *turns = good.turns
    first_said, second_said, third_said, last_said = good.exchanges

    def with_first(**changes: object) -> Conversation:
        return replace(good, turns=(first.model_copy(update=changes), *turns))

    assert failing(replace(good, turns=tuple(turns))) == [
        ("hours is answered", "the ledger has no turn that ended with it")
    ]
    assert failing(with_first(text_pii=" ")) == [("hours is answered", "nothing was understood")]
    assert failing(with_first(answer_pii=None)) == [
        ("hours is answered", "understood 'Question 1?', and nothing was answered")
    ]
    unheard = replace(
        good, exchanges=(replace(first_said, answered=False), second_said, third_said, last_said)
    )
    assert failing(unheard) == [("hours is answered", "the caller did not hear an answer to its end")]


def test_an_interruption_needs_both_witnesses() -> None:
    good = conversation()
    by_ear = replace(good.exchanges[2], stopped_ms=None)
    talked_on = replace(good, exchanges=(*good.exchanges[:2], by_ear, good.exchanges[3]))
    assert failing(talked_on) == [("the interruption stops the agent", "the caller heard the agent go on")]
    uncut = tuple(one.model_copy(update={"interrupted": False}) for one in good.turns)
    assert failing(replace(good, turns=uncut)) == [
        ("the interruption stops the agent", "no reply is recorded as interrupted")
    ]


def test_a_call_that_broke_off_fails_and_says_why() -> None:
    short = replace(conversation(), exchanges=conversation().exchanges[:2])
    assert failing(short, "the connection was lost") == [
        ("everything was said", "2 lines left: the connection was lost")
    ]


def test_the_table_has_a_row_a_turn_and_both_measurements() -> None:
    out = io.StringIO()
    Console(file=out, width=160).print(latency_table(conversation()))
    rows = [line for line in out.getvalue().splitlines() if "Question" in line]
    assert len(rows) == 4
    assert "520" in rows[0]
    assert "540" in rows[0]
    assert "(interrupted)" in rows[1]


def test_a_line_without_a_turn_still_has_its_row() -> None:
    out = io.StringIO()
    Console(file=out, width=160).print(latency_table(replace(conversation(), turns=())))
    assert "hours" in out.getvalue()


def test_the_report_is_json_with_the_figures_and_the_facts() -> None:
    found = conversation()
    content = json.loads(json.dumps(report(found, judge(found), {"machine": {"cores": 2}})))
    assert content["ok"] is True
    assert content["voice_to_voice_ms"] == {"median": 520.0, "max": 520.0, "turns": 4}
    assert content["barge_in_ms"] == [140.0]
    assert content["machine"] == {"cores": 2}
    assert content["exchanges"][0] == {
        "said": "hours",
        "turn": 1,
        "answered": True,
        "speech_ended_s": 5.0,
        "waited_ms_by_ear": 540.0,
        "stopped_ms_by_ear": None,
    }
    assert content["turns"][1]["interrupted"] is True


def test_without_turns_there_is_no_median() -> None:
    found = replace(conversation(), turns=())
    assert report(found, judge(found), {})["voice_to_voice_ms"] is None
    assert report(found, judge(found), {})["ok"] is False
