import pytest
from pydantic import ValidationError

from contracts.messages import DtmfReceived, PlayoutStarted, ReplySentence, TurnEnded, Word

SENTENCE = {"reply": 1, "turn": None, "index": 0, "text_pii": "Hello.", "engine": "faq"}


def test_the_greeting_is_the_first_reply_and_answers_no_turn() -> None:
    assert ReplySentence.model_validate(SENTENCE).turn is None


def test_reply_zero_is_the_callers_own_audio_and_no_reply() -> None:
    with pytest.raises(ValidationError, match="reply"):
        ReplySentence.model_validate({**SENTENCE, "reply": 0})
    with pytest.raises(ValidationError, match="reply"):
        PlayoutStarted(reply=0, first_frame_us=1)


@pytest.mark.parametrize("field", ["turn", "index"])
def test_turns_and_sentences_are_counted_from_zero(field: str) -> None:
    with pytest.raises(ValidationError, match=field):
        ReplySentence.model_validate({**SENTENCE, field: -1})


@pytest.mark.parametrize("probability", [-0.1, 1.1])
def test_a_probability_is_one(probability: float) -> None:
    with pytest.raises(ValidationError, match="probability"):
        Word(text_pii="hello", start_ms=0, end_ms=1, probability=probability)


def test_what_was_said_is_marked_as_personal() -> None:
    said = {
        name
        for model in (TurnEnded, ReplySentence, Word)
        for name in model.model_fields
        if "text" in name or "words" in name
    }

    assert said == {"text_pii", "words_pii"}


@pytest.mark.parametrize("digit", ["", "5\n", "55", "E", "a", "+"])
def test_what_is_no_key_of_a_telephone_is_refused(digit: str) -> None:
    with pytest.raises(ValidationError, match="digit"):
        DtmfReceived(digit_pii=digit)


@pytest.mark.parametrize("digit", list("0123456789ABCD*#"))
def test_the_keys_of_a_telephone(digit: str) -> None:
    assert DtmfReceived(digit_pii=digit).digit_pii == digit
