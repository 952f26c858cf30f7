"""The conversation in a call's events, and when two of them are the same."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

from contracts.identities import uuid7
from contracts.messages import (
    CallEnded,
    EndReason,
    Event,
    Outcome,
    PlayoutEnded,
    PlayoutStarted,
    ReplyCompleted,
    ReplySentence,
    SentenceSynthesized,
    TurnEnded,
)
from trunkline.recording.conversation import Turn, conversation_of

_RNG = random.Random(3)
CALL = uuid7(1, _RNG)


def events(*bodies: Any) -> list[Event[Any]]:
    return [Event(id=uuid7(2, _RNG), v=1, at_us=1, tenant="acme", call=CALL, body=body) for body in bodies]


def sentence(reply: int, turn: int | None, index: int, text: str) -> ReplySentence:
    return ReplySentence(reply=reply, turn=turn, index=index, text_pii=text, engine="faq")


def turn_ended(turn: int, text: str) -> TurnEnded:
    return TurnEnded(
        turn=turn,
        text_pii=text,
        language="en",
        confidence=1,
        speech_started_us=1_000_000,
        speech_ended_us=2_000_000,
        decided_us=2_350_000,
        audio_ms=1000,
        decode_ms=120,
        engine="whisper",
    )


def played(reply: int, outcome: Outcome = Outcome.DONE) -> PlayoutEnded:
    return PlayoutEnded(reply=reply, outcome=outcome, heard_ms=900, heard_sentences=1, ended_us=5_000_000)


ANSWERED = (
    sentence(1, None, 0, "Hello."),
    played(1),
    turn_ended(1, "when are you open"),
    sentence(2, 1, 1, "And Saturday."),
    sentence(2, 1, 0, "Monday to Friday."),
    sentence(2, 1, 0, "Monday to Friday."),
    ReplyCompleted(
        reply=2, turn=1, outcome=Outcome.DONE, sentences=2, engine="faq", first_sentence_ms=4, total_ms=5
    ),
    SentenceSynthesized(
        reply=2,
        index=0,
        outcome=Outcome.DONE,
        audio_ms=900,
        first_audio_ms=90,
        synthesis_ms=100,
        cached=False,
        engine="piper",
        voice="joe",
    ),
    PlayoutStarted(reply=2, first_frame_us=2_560_000),
)


def test_who_said_what_and_how_long_each_stage_took() -> None:
    over = CallEnded(reason=EndReason.CALLER_HUNG_UP, started_us=1, ended_us=2, duration_ms=1)
    told = conversation_of(events(*ANSWERED, played(2), over))
    greeting, turn = told.turns
    assert greeting == Turn(None, "", ("Hello.",), interrupted=False, stages={})
    assert (turn.said_pii, turn.answered_pii) == ("when are you open", ("Monday to Friday.", "And Saturday."))
    assert turn.stages == {
        "endpoint": 350.0,
        "stt_decode": 120.0,
        "llm_first_sentence": 4.0,
        "tts_first_audio": 90.0,
        "voice_to_voice": 560.0,
    }
    assert told.heard_out
    assert told.end is EndReason.CALLER_HUNG_UP


def test_a_last_reply_that_was_cut_was_not_heard_out() -> None:
    told = conversation_of(events(*ANSWERED, played(2, Outcome.CANCELLED)))
    assert not told.heard_out
    assert told.turns[1].interrupted
    assert told.end is None


def test_a_turn_that_nobody_answered_has_only_its_own_stages() -> None:
    (turn,) = conversation_of(events(turn_ended(1, "hello"))).turns
    assert turn.answered_pii == ()
    assert set(turn.stages) == {"endpoint", "stt_decode"}


def test_turns_match_word_for_word() -> None:
    turn = Turn(1, "hi", ("One.", "Two."), interrupted=False, stages={"endpoint": 1.0})
    assert turn.matches(replace(turn, stages={}))
    for other in (
        replace(turn, turn=2),
        replace(turn, said_pii="Hi"),
        replace(turn, answered_pii=("One.",)),
        replace(turn, answered_pii=("One.", "three")),
        replace(turn, interrupted=True),
    ):
        assert not turn.matches(other)


def test_an_interrupted_answer_may_be_cut_elsewhere_but_not_differ() -> None:
    turn = Turn(1, "hi", ("One.", "Two."), interrupted=True, stages={})
    assert turn.matches(replace(turn, answered_pii=("One.",)))
    assert replace(turn, answered_pii=("One.",)).matches(turn)
    assert not turn.matches(replace(turn, answered_pii=("Two.",)))
