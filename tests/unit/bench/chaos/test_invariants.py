"""Each promise is seen to be kept by a sound call, and to be missed where a call breaks it."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from bench.chaos.invariants import PROMISES, judge, stories
from contracts import messages as m
from contracts.identities import CallRef, uuid7
from tests.support.envelopes import envelope_of

CANCELLED = m.Outcome.CANCELLED
REF = CallRef("acme", uuid7(1, Random(1)))
_RNG = Random(2)


def said(body: m.Message, epoch: int = 0, cause: m.Event[Any] | None = None) -> m.Event[Any]:
    return envelope_of(body)(
        id=uuid7(2, _RNG),
        v=1,
        at_us=1,
        tenant=REF.tenant,
        call=REF.call,
        epoch=epoch,
        cause=cause.id if cause else None,
        body=body,
    )


STARTED = said(
    m.CallStarted(
        called="+15550199",
        caller="+15550123",
        carrier_call_id="CA1",
        protocol="twilio",
        gateway="gateway-1",
        assistant="a",
        language="en-US",
    ),
)
ENDED = said(
    m.CallEnded(reason=m.EndReason.CALLER_HUNG_UP, started_us=1, ended_us=2, duration_ms=1),
)


def speech(turn: int, epoch: int = 1) -> m.Event[Any]:
    return said(m.SpeechStarted(turn=turn, started_us=1, detected_us=2), epoch)


def turn(number: int, epoch: int = 1) -> m.Event[Any]:
    return said(
        m.TurnEnded(
            turn=number,
            text_pii="words",
            language="en",
            confidence=1.0,
            speech_started_us=1,
            speech_ended_us=2,
            decided_us=3,
            audio_ms=1,
            decode_ms=1,
            engine="synthetic",
        ),
        epoch,
    )


def sentence(reply: int, number: int, index: int = 0, epoch: int = 1, text: str = "One.") -> m.Event[Any]:
    body = m.ReplySentence(reply=reply, turn=number, index=index, text_pii=text, engine="synthetic")
    return said(body, epoch)


def completed(
    reply: int,
    number: int,
    epoch: int = 1,
    sentences: int = 1,
    *,
    outcome: m.Outcome = m.Outcome.DONE,
    cause: m.Event[Any] | None = None,
) -> m.Event[Any]:
    return said(
        m.ReplyCompleted(
            reply=reply,
            turn=number,
            outcome=outcome,
            sentences=sentences,
            engine="synthetic",
            first_sentence_ms=1,
            total_ms=1,
        ),
        epoch,
        cause,
    )


def played(reply: int, outcome: m.Outcome = m.Outcome.DONE, heard: int = 1) -> m.Event[Any]:
    return said(
        m.PlayoutEnded(reply=reply, outcome=outcome, heard_ms=1, heard_sentences=heard, ended_us=1), 1
    )


def reassigned(role: m.Role, epoch: int) -> m.Event[Any]:
    body = m.CallReassigned(role=role, process="x-2", epoch=epoch, before="x-1", why=m.Replaced.LOST)
    return said(body)


def exchange(number: int, epoch: int = 1) -> list[m.Event[Any]]:
    reply = number + 1
    return [
        speech(number, epoch),
        turn(number, epoch),
        sentence(reply, number, epoch=epoch),
        completed(reply, number, epoch),
        played(reply),
    ]


DISMISSED = said(m.SpeechDismissed(turn=2, audio_ms=50), 1)
WORDLESS = said(turn(2).body.model_copy(update={"text_pii": " "}), 1)
SOUND = [STARTED, *exchange(1), *exchange(2), ENDED]


def test_a_sound_call_breaks_nothing() -> None:
    assert judge(SOUND) == []


def test_a_sound_call_across_a_reassignment_breaks_nothing() -> None:
    late = turn(2, epoch=1)
    events = [STARTED, *exchange(1), speech(2), reassigned(m.Role.STT, 2), late, speech(2, epoch=2)]
    events += [turn(2, epoch=2), sentence(3, 2), completed(3, 2), played(3), ENDED]
    assert judge(events) == []
    assert stories(events)[0].stale == [late]


def interrupted(by: m.Event[Any], heard: int = 0, outcome: m.Outcome = CANCELLED) -> list[m.Event[Any]]:
    """Turn 1 is answered, speech interrupts that, `by` says what it was, and another reply follows from it,
    which a replacement completes.
    """
    rest = said(sentence(3, 1).body, 1, by)
    return [
        STARTED,
        *exchange(1)[:-1],
        speech(2),
        played(2, outcome, heard),
        by,
        rest,
        completed(3, 1, cause=rest),
        played(3),
        ENDED,
    ]


@pytest.mark.parametrize("by", [DISMISSED, WORDLESS], ids=["dismissed", "without a word"])
def test_an_answer_that_goes_on_after_a_noise_is_one_answer(by: m.Event[Any]) -> None:
    assert judge(interrupted(by)) == []


def test_a_refused_call_promised_nothing() -> None:
    assert judge([turn(1)]) == []


def test_a_reply_that_the_caller_or_the_end_cuts_breaks_nothing() -> None:
    cut = completed(2, 1, outcome=CANCELLED)
    talked_over = [STARTED, speech(1), turn(1), sentence(2, 1), speech(2), cut, played(2, CANCELLED)]
    assert judge([*talked_over, *exchange(2)[1:], ENDED]) == []
    assert judge([STARTED, speech(1), turn(1), sentence(2, 1), ENDED, cut]) == []


STALE = turn(2, epoch=1)


@pytest.mark.parametrize(
    ("promise", "events"),
    [
        ("a call ends once", SOUND[:-1]),
        ("a call ends once", [*SOUND, ENDED]),
        ("a call starts once", [STARTED, *SOUND]),
        ("epochs grow", [*SOUND, reassigned(m.Role.STT, 3), reassigned(m.Role.LLM, 3)]),
        (
            "nothing follows from a stale event",
            [
                STARTED,
                *exchange(1),
                reassigned(m.Role.STT, 2),
                STALE,
                said(completed(3, 2).body, 1, STALE),
                ENDED,
            ],
        ),
        ("a turn is decided once", [STARTED, *exchange(1), turn(1), ENDED]),
        ("a turn is decided once", [STARTED, *exchange(1), *exchange(3), ENDED]),
        ("what began as speech is decided", [STARTED, speech(1), *exchange(2), ENDED]),
        ("a turn is answered once", [STARTED, speech(1), turn(1), *exchange(2), ENDED]),
        ("a turn is answered once", [*SOUND, completed(9, 1)]),
        ("a turn is answered once", [*SOUND, completed(2, 1, cause=DISMISSED)]),
        ("a turn is answered once", interrupted(turn(2))),
        ("a turn is answered once", interrupted(DISMISSED, heard=1)),
        ("a turn is answered once", interrupted(DISMISSED, outcome=m.Outcome.DONE)),
        (
            "an answer is cut by the caller alone",
            [
                STARTED,
                speech(1),
                turn(1),
                completed(2, 1, sentences=0, outcome=CANCELLED),
                *exchange(2),
                ENDED,
            ],
        ),
        ("no sentence is said twice", [*SOUND, sentence(3, 2)]),
        ("no sentence is said twice", [*SOUND, sentence(3, 2, text="Other.")]),
        ("no sentence is said twice", [*SOUND, sentence(3, 2, index=2)]),
        (
            "a reply has the sentences that it announces",
            [STARTED, speech(1), turn(1), sentence(2, 1), completed(2, 1, sentences=2), played(2), ENDED],
        ),
        ("a reply is played once", [*SOUND, played(2)]),
        (
            "a reply is played once",
            [STARTED, speech(1), turn(1), sentence(2, 1), completed(2, 1), *exchange(2), ENDED],
        ),
    ],
)
def test_a_broken_promise_is_seen(promise: str, events: list[m.Event[Any]]) -> None:
    assert promise in {fault.promise for fault in judge(events)}


def test_every_promise_is_seen_to_be_broken_above() -> None:
    marks = test_a_broken_promise_is_seen.pytestmark
    assert {promise for promise, _ in marks[0].args[1]} == set(PROMISES)
