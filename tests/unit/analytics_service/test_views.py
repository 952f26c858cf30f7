"""What an analyst reads: figures of whole calls, added up by hand."""

from __future__ import annotations

import random
from decimal import Decimal

import pytest

from analytics_service.ports import ReportStore
from contracts import messages as m
from contracts.errors import ErrorCode
from tests.unit.analytics_service.store_suite import ask, insert_events
from tests.unit.analytics_service.stories import CallStory, call_ref, whole_call


def test_the_ledger_adds_up(store: ReportStore) -> None:
    insert_events(store, whole_call().events)
    first, second = ask(store, "SELECT * FROM turns ORDER BY turn")
    assert (first["turn"], first["reply"], first["text_pii"]) == (1, 2, "When are you open?")
    assert first["answer_pii"] == "From nine to one. Not on Sunday."
    assert (first["stt_engine"], first["llm_engine"], first["tts_engine"]) == ("whisper", "faq", "piper")
    # 352 ms of endpointing, 10 + 1 ms to the two sentences' text, 150 ms to the first frame
    assert first["voice_to_voice_ms"] == 513
    assert (first["endpoint_ms"], first["llm_first_sentence_ms"]) == (352, 10)
    assert first["tts_first_audio_ms"] == 120  # of the first sentence; the second took 420
    assert first["unexplained_ms"] == 513 - 352 - 10 - 120
    assert (first["interrupted"], first["heard_ms"], first["playout_outcome"]) == (False, 4_000, "done")
    assert (first["prompt_tokens"], first["completion_tokens"]) == (100, 20)
    assert (second["turn"], second["reply"], second["llm_engine"]) == (2, 3, "openai")
    assert (second["interrupted"], second["heard_ms"], second["playout_outcome"]) == (True, 700, "cancelled")


def test_a_finished_call_has_no_missing_field(store: ReportStore) -> None:
    insert_events(store, whole_call().events)
    [call] = ask(store, "SELECT * FROM calls")
    assert None not in call.values()
    assert call["outcome"] == "completed"
    assert (call["called"], call["caller"], call["carrier_call_id"]) == (
        "+15550100",
        "+15550142",
        "CA6f1b2c3d",
    )
    assert (call["turns"], call["replies"], call["interruptions"], call["engine_failures"]) == (2, 3, 1, 1)
    assert call["agent_heard_ms"] == 2_000 + 4_000 + 700
    assert call["duration_ms"] == (call["ended_at"] - call["started_at"]).total_seconds() * 1_000
    assert (call["mean_voice_to_voice_ms"], call["worst_voice_to_voice_ms"]) == (512.5, 513)
    assert (call["prompt_tokens"], call["frames_dropped"], call["reason"]) == (300, 2, "caller_hung_up")
    assert (call["cost_micros"], call["currency"], call["billed_s"]) == (28_500, "USD", 19)


def test_order_and_repetition_change_nothing(store: ReportStore) -> None:
    told = [event for number in range(3) for event in whole_call(call_ref(number)).events]
    insert_events(store, told)
    views = ("events", "calls", "turns", "replies", "transcript", "stage_latency", "engine_reliability")
    ordered = [ask(store, f"SELECT * FROM {view} ORDER BY ALL") for view in views]
    again = [*told, *random.Random(3).sample(told, 60)]
    random.Random(4).shuffle(again)
    insert_events(store, again)
    assert [ask(store, f"SELECT * FROM {view} ORDER BY ALL") for view in views] == ordered
    assert [len(rows) for rows in ordered[:4]] == [81, 3, 6, 9]


def test_half_a_call_reads_as_far_as_it_goes(store: ReportStore) -> None:
    story = CallStory()
    story.start()
    story.turn(1, "Hello?")
    insert_events(store, story.events)
    [call] = ask(store, "SELECT * FROM calls")
    assert (call["outcome"], call["turns"], call["ended_at"], call["answered"]) == ("active", 1, None, True)
    [turn] = ask(store, "SELECT * FROM turns")
    assert (turn["text_pii"], turn["reply"], turn["answer_pii"]) == ("Hello?", None, None)
    assert turn["voice_to_voice_ms"] is None


def test_speech_that_held_no_words_is_no_turn(store: ReportStore) -> None:
    story = CallStory()
    story.start()
    story.speech(1)
    story.tell(m.SpeechDismissed(turn=1, audio_ms=200.0))
    insert_events(store, story.events)
    assert ask(store, "SELECT * FROM turns") == []


def test_the_word_of_a_later_epoch_counts_whatever_comes_first(store: ReportStore) -> None:
    story = CallStory()
    story.start()
    newer = story.turn(1, "What are your hours?", epoch=2)
    story.respond(2, newer, "From nine to one.", epoch=2)
    story.turn(1, "What are flowers?", epoch=1)  # a worker that was only slow
    story.respond(2, newer, "Roses.", "And tulips.", epoch=1)
    insert_events(store, story.events)
    [turn] = ask(store, "SELECT text_pii, answer_pii FROM turns")
    assert turn == {"text_pii": "What are your hours?", "answer_pii": "From nine to one."}


def test_a_turn_answered_twice_counts_what_the_caller_heard_first(store: ReportStore) -> None:
    story = CallStory()
    story.start()
    turn = story.turn(1, "Hello?")
    story.respond(2, turn, "Never heard.")
    story.wait(1_000)
    story.respond(3, turn, "Heard.", epoch=2)
    story.play(3)
    story.respond(4, turn, "Heard later.", epoch=2)
    story.play(4)
    insert_events(store, story.events)
    [row] = ask(store, "SELECT reply, answer_pii, voice_to_voice_ms FROM turns")
    assert row == {"reply": 3, "answer_pii": "Heard.", "voice_to_voice_ms": 352 + 10 + 1_000 + 10 + 150}


def test_only_what_was_heard_and_spoken_over_is_an_interruption(store: ReportStore) -> None:
    story = CallStory()
    started = story.start()
    cuts = [(story.speech(1), 300.0), (story.turn(2, "No."), 300.0), (story.speech(3), 0.0), (started, 300.0)]
    for reply, (cut_by, heard_ms) in enumerate(cuts, start=1):
        story.respond(reply, None, "Good morning.")
        story.play(reply)
        story.hear(reply, heard_ms, cut_by=cut_by)
    insert_events(store, story.events)
    replies = ask(store, "SELECT playout_outcome, interrupted FROM replies ORDER BY reply")
    assert [row["playout_outcome"] for row in replies] == ["cancelled"] * 4
    assert [row["interrupted"] for row in replies] == [True, True, False, False]
    assert ask(store, "SELECT interruptions FROM calls") == [{"interruptions": 2}]


def test_the_transcript_reads_in_order(store: ReportStore) -> None:
    insert_events(store, whole_call().events)
    rows = ask(store, "SELECT speaker, text_pii, interrupted FROM transcript ORDER BY at")
    assert [(row["speaker"], row["text_pii"]) for row in rows] == [
        ("agent", "Good morning."),
        ("caller", "When are you open?"),
        ("agent", "From nine to one. Not on Sunday."),
        ("caller", "What does it cost?"),
        ("agent", "Ninety dollars."),
    ]
    assert [row["interrupted"] for row in rows] == [False, None, False, None, True]


def rejected_call(number: int) -> CallStory:
    story = CallStory(call_ref(number))
    story.tell(
        m.CallRejected(
            called="+15550100",
            caller="+15550199",
            carrier_call_id="CA9",
            code=ErrorCode.NUMBER_FULL,
            status=486,
            message="full",
        )
    )
    return story


def dropped_call(number: int) -> CallStory:
    story = CallStory(call_ref(number))
    story.start()
    story.end(m.EndReason.CONNECTION_LOST)
    return story


def test_days_and_hours_count_every_outcome(store: ReportStore) -> None:
    calls = [whole_call(call_ref(1)), whole_call(call_ref(2)), dropped_call(3), rejected_call(4)]
    insert_events(store, [event for call in calls for event in call.events])
    [rejected] = ask(store, "SELECT * FROM calls WHERE outcome = 'rejected'")
    assert (rejected["rejected_code"], rejected["rejected_status"], rejected["answered"]) == (
        "number_full",
        486,
        False,
    )
    assert rejected["started_at"] == rejected["ended_at"]
    [day] = ask(store, "SELECT * FROM calls_per_day")
    assert (day["calls"], day["answered"], day["rejected"], day["completed"], day["dropped"]) == (
        4,
        3,
        1,
        2,
        1,
    )
    assert day["drop_rate"] == pytest.approx(1 / 3)
    handled = [row["duration_ms"] for row in ask(store, "SELECT duration_ms FROM calls WHERE answered")]
    assert day["average_handle_s"] == pytest.approx(sum(handled) / 3 / 1000)
    [hour] = ask(store, "SELECT * FROM busiest_hours")
    assert (hour["weekday"], hour["hour"], hour["calls"], hour["rejected"], hour["days"]) == (4, 9, 4, 1, 1)


def test_engines_are_judged_by_what_they_did(store: ReportStore) -> None:
    insert_events(store, whole_call().events)
    rows = ask(
        store, "SELECT stage, engine, attempts, failures FROM engine_reliability ORDER BY stage, engine"
    )
    assert [tuple(row.values()) for row in rows] == [
        ("llm", "faq", 2, 1),
        ("llm", "greeting", 1, 0),
        ("llm", "openai", 1, 0),
        ("stt", "whisper", 2, 0),
        ("tts", "piper", 4, 0),
    ]
    [failure] = ask(store, "SELECT stage, engine, code, retryable, next_engine FROM engine_failures")
    assert tuple(failure.values()) == ("llm", "faq", "engine_timeout", True, "openai")


def test_latency_is_told_by_stage(store: ReportStore) -> None:
    insert_events(store, whole_call().events)
    rows = {row["stage"]: row for row in ask(store, "SELECT * FROM stage_latency")}
    assert set(rows) == {"endpoint", "llm", "tts", "unexplained", "voice_to_voice"}
    assert (rows["endpoint"]["p50_ms"], rows["tts"]["p95_ms"], rows["llm"]["turns"]) == (352, 120, 2)
    assert rows["voice_to_voice"]["worst_ms"] == 513
    assert rows["voice_to_voice"]["p50_ms"] == 512.5


def test_tenants_are_kept_apart(store: ReportStore) -> None:
    insert_events(store, whole_call(call_ref(1, "bright-smile")).events)
    insert_events(store, whole_call(call_ref(1, "other")).events)
    assert ask(store, "SELECT tenant, calls, turns FROM calls_per_day ORDER BY tenant") == [
        {"tenant": "bright-smile", "calls": 1, "turns": 2},
        {"tenant": "other", "calls": 1, "turns": 2},
    ]
    assert ask(store, "SELECT DISTINCT voice_to_voice_ms > 0 AS ok FROM turns") == [{"ok": 1}]


def test_cost_is_told_by_day_and_currency_exactly(store: ReportStore) -> None:
    def ended(number: int, cost: m.CallCost | None) -> None:
        story = CallStory(call_ref(number))
        story.start()
        story.end(cost=cost)
        insert_events(store, story.events)

    for number, micros in enumerate((1, 333_333, 9_007_199_254_740_991)):
        ended(number, m.CallCost(amount_micros=micros, currency="USD", billed_s=number))
    ended(3, m.CallCost(amount_micros=500_000, currency="EUR", billed_s=60))
    ended(4, None)
    ongoing = CallStory(call_ref(5))
    ongoing.start()
    insert_events(store, ongoing.events)

    days = ask(store, "SELECT * EXCEPT (tenant, day) FROM cost_per_day ORDER BY currency")
    assert [tuple(day.values()) for day in days] == [
        ("EUR", 1, 60, 500_000, Decimal("0.5")),
        ("USD", 3, 3, 9_007_199_255_074_325, Decimal("9007199255.074325")),
    ]
    none = "SELECT DISTINCT cost_micros, currency, billed_s FROM calls WHERE currency = ''"
    assert [tuple(row.values()) for row in ask(store, none)] == [(None, "", None)]


def test_a_refused_call_costs_nothing(store: ReportStore) -> None:
    insert_events(store, rejected_call(1).events)
    [call] = ask(store, "SELECT cost_micros, currency, billed_s FROM calls")
    assert tuple(call.values()) == (0, "", 0)
