from __future__ import annotations

from typing import Any

import pytest

from contracts import messages as m
from contracts.errors import ErrorCode
from tests.support.envelopes import envelope_of
from trunkline.narrator import Line, Narrator, Who

CALL = "01890a5d-ac96-774b-bcce-b302099a8057"
ZERO_US = 1_767_225_600_000_000


def event(body: Any, at_ms: float = 0) -> m.Event[Any]:
    return envelope_of(body)(
        id=CALL, v=1, at_us=ZERO_US + round(at_ms * 1000), tenant="acme", call=CALL, body=body
    )


def sentence(text: str, reply: int = 1, turn: int | None = None, index: int = 0) -> m.ReplySentence:
    return m.ReplySentence(reply=reply, turn=turn, index=index, text_pii=text, engine="faq")


def turn_ended(text: str = "When are you open?", turn: int = 1, ended_us: int = ZERO_US) -> m.TurnEnded:
    return m.TurnEnded(
        turn=turn,
        text_pii=text,
        language="en",
        confidence=0.9,
        speech_started_us=ended_us - 1_000_000,
        speech_ended_us=ended_us,
        decided_us=ended_us + 380_000,
        audio_ms=1000,
        decode_ms=250,
        engine="whisper",
    )


def playout_ended(reply: int = 1, outcome: m.Outcome = m.Outcome.DONE) -> m.PlayoutEnded:
    return m.PlayoutEnded(reply=reply, outcome=outcome, heard_ms=1500, heard_sentences=1, ended_us=ZERO_US)


@pytest.fixture
def narrator() -> Narrator:
    narrator = Narrator()
    narrator.tell(event(m.DtmfReceived(digit_pii="1")))
    return narrator


def test_lines_carry_the_seconds_since_the_first_event(narrator: Narrator) -> None:
    (line,) = narrator.tell(event(m.DtmfReceived(digit_pii="#"), at_ms=2500))
    assert line == Line(2.5, Who.CALLER, "pressed #")


def test_partials_are_replaced_by_each_other_and_by_the_turn(narrator: Narrator) -> None:
    assert narrator.tell(event(m.PartialTranscript(turn=1, text_pii="when"))) == []
    narrator.tell(event(m.PartialTranscript(turn=1, text_pii="when are")))
    assert narrator.partial == "when are"
    (line,) = narrator.tell(event(turn_ended()))
    assert narrator.partial == ""
    assert line.who is Who.CALLER
    assert line.text == "When are you open?"
    assert line.note == "understood 380 ms after the last word, whisper 250 ms"


def test_a_cough_leaves_no_line_and_no_partial(narrator: Narrator) -> None:
    narrator.tell(event(m.PartialTranscript(turn=1, text_pii="uh")))
    assert narrator.tell(event(m.SpeechDismissed(turn=1, audio_ms=200))) == []
    assert narrator.partial == ""


def test_a_sentence_is_told_when_the_caller_hears_it_with_how_long_that_took(narrator: Narrator) -> None:
    narrator.tell(event(turn_ended()))
    assert narrator.tell(event(sentence("Nine to five.", turn=1))) == []
    started = m.PlayoutStarted(reply=1, first_frame_us=ZERO_US + 560_000)
    (line,) = narrator.tell(event(started, at_ms=560))
    assert line == Line(0.56, Who.AGENT, "Nine to five.", "after 560 ms, faq")


def test_what_follows_while_it_is_heard_is_told_at_once(narrator: Narrator) -> None:
    narrator.tell(event(sentence("One.")))
    narrator.tell(event(m.PlayoutStarted(reply=1, first_frame_us=ZERO_US)))
    (line,) = narrator.tell(event(sentence("Two.", index=1)))
    assert (line.text, line.note) == ("Two.", "")


def test_the_greeting_answers_no_turn_so_nobody_waited_for_it(narrator: Narrator) -> None:
    narrator.tell(event(sentence("Hello.")))
    (line,) = narrator.tell(event(m.PlayoutStarted(reply=1, first_frame_us=ZERO_US)))
    assert line.note == "faq"


def test_an_interruption_says_how_much_was_heard(narrator: Narrator) -> None:
    (line,) = narrator.tell(event(playout_ended(outcome=m.Outcome.CANCELLED)))
    assert (line.text, line.note) == ("(interrupted)", "1.5 s of it heard")


def test_a_reply_that_ended_well_adds_nothing(narrator: Narrator) -> None:
    narrator.tell(event(sentence("One.")))
    narrator.tell(event(m.PlayoutStarted(reply=1, first_frame_us=ZERO_US)))
    assert narrator.tell(event(playout_ended())) == []


def test_a_sentence_whose_beginning_was_missed_is_told_in_the_end(narrator: Narrator) -> None:
    narrator.tell(event(sentence("One.")))
    (line,) = narrator.tell(event(playout_ended()))
    assert line.text == "One."


@pytest.mark.parametrize(("then", "note"), [("openai", "openai takes over"), (None, "none is left")])
def test_a_failing_engine_is_told(narrator: Narrator, then: str | None, note: str) -> None:
    body = m.EngineFailed(
        stage=m.Stage.LLM,
        engine="faq",
        code=ErrorCode.ENGINE_TIMEOUT,
        detail="no answer",
        retryable=True,
        next_engine=then,
    )
    (line,) = narrator.tell(event(body))
    assert (line.who, line.text, line.note) == (Who.PLATFORM, "llm engine faq failed: no answer", note)


def test_beginning_and_end_are_told() -> None:
    narrator = Narrator()
    started = m.CallStarted(
        called="+15550100",
        caller="+15550123",
        carrier_call_id="CA1",
        protocol="twilio",
        gateway="gateway-1",
        assistant="front-desk",
        language="en-US",
    )
    (line,) = narrator.tell(event(started))
    assert line == Line(0.0, Who.PLATFORM, "+15550100 answers as front-desk", "calling: +15550123")
    ended = m.CallEnded(
        reason=m.EndReason.CALLER_HUNG_UP, started_us=ZERO_US, ended_us=ZERO_US, duration_ms=30_200
    )
    (line,) = narrator.tell(event(ended))
    assert (line.text, line.note) == ("call ended: caller_hung_up", "30.2 s")


@pytest.mark.parametrize(
    ("micros", "amount"),
    [(0, "0.00"), (45_300, "0.0453"), (1_500_000, "1.50"), (12_000_001, "12.000001")],
)
def test_the_end_tells_what_the_call_cost(micros: int, amount: str) -> None:
    cost = m.CallCost(amount_micros=micros, currency="USD", billed_s=31)
    ended = m.CallEnded(
        reason=m.EndReason.COMMANDED, started_us=ZERO_US, ended_us=ZERO_US, duration_ms=30_200, cost=cost
    )
    (line,) = Narrator().tell(event(ended))
    assert line.note == f"30.2 s, {amount} USD for 31 s"


def test_events_that_are_no_part_of_the_story_add_nothing(narrator: Narrator) -> None:
    assert narrator.tell(event(m.SpeechStarted(turn=1, started_us=1, detected_us=2))) == []
