import re
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from contracts import messages
from contracts.messages import DtmfReceived, Event, Message, Reply, TurnEnded, WireError

CALL = "019b78c9-0a80-78f1-91b7-584a2265b1f5"
MODELS = [getattr(messages, name) for name in messages.__all__]
CLASSES = [model for model in MODELS if issubclass(model, Message)]


def event(**fields: Any) -> Event[DtmfReceived]:
    stamped = {"id": CALL, "v": 1, "at_us": 5, "tenant": "acme", "call": CALL, "body": {"digit_pii": "1"}}
    return Event[DtmfReceived].model_validate({**stamped, **fields})


@pytest.mark.parametrize("model", CLASSES)
def test_every_message_is_frozen_ignores_what_it_does_not_know_and_says_what_it_is(
    model: type[Message],
) -> None:
    assert model.model_config["frozen"] is True
    assert model.model_config["extra"] == "ignore"
    assert model.__doc__
    assert model.version >= 1


def test_a_message_cannot_be_changed() -> None:
    message = DtmfReceived(digit_pii="5")

    with pytest.raises(ValidationError, match="frozen"):
        message.digit_pii = "6"  # type: ignore[misc]  # the point of the test


def test_a_newer_producer_may_say_more() -> None:
    newer = '{"digit_pii": "5", "held_ms": 80}'
    assert DtmfReceived.model_validate_json(newer) == DtmfReceived(digit_pii="5")


def test_the_envelope_knows_its_call() -> None:
    assert event().ref == ("acme", CALL)


def test_the_envelope_is_named_after_its_body() -> None:
    assert Event[TurnEnded].__name__ == "TurnEndedEvent"


def test_the_envelope_says_nothing_about_cause_trace_and_epoch_unless_told() -> None:
    assert (event().cause, event().trace, event().epoch) == (None, None, 0)


@pytest.mark.parametrize("status", [399, 600])
def test_the_status_of_an_error_is_an_error_status(status: int) -> None:
    with pytest.raises(ValidationError, match="status"):
        WireError.model_validate({"code": "internal", "message": "x", "status": status})


def test_an_unknown_error_code_is_refused() -> None:
    with pytest.raises(ValidationError, match="code"):
        WireError.model_validate({"code": "bad_hair_day", "message": "x"})


def test_every_answer_can_say_no() -> None:
    no = WireError.model_validate({"code": "internal", "message": "x"})
    answers = [model for model in CLASSES if issubclass(model, Reply)]

    assert len(answers) > 3
    assert all(model.model_validate({"error": no}).error == no for model in answers)


@pytest.mark.parametrize("model", CLASSES)
def test_times_and_lengths_carry_their_unit_in_the_name(model: type[Message]) -> None:
    suspicious = re.compile(r"^(?:duration|timeout|age|delay|at|time|started|ended|.*_(?:at|time|duration))$")

    assert not [name for name in model.model_fields if suspicious.match(name)]


def test_instants_and_lengths_cannot_be_negative() -> None:
    for annotation in (messages.base.Micros, messages.base.Millis, messages.base.Count):
        with pytest.raises(ValidationError):
            TypeAdapter[float](annotation).validate_python(-1)
