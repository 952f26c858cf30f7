import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.errors import ErrorCode
from contracts.messages import EndReason, WireError
from gateway_service import errors
from gateway_service.errors import BadMessage, CallRefused, GatewayError, SessionUnavailable, close_reason


@given(st.text(max_size=300))
def test_a_close_reason_fits_and_is_a_beginning_of_the_text(text: str) -> None:
    reason = close_reason(text)
    assert len(reason.encode()) <= 123
    assert text.startswith(reason)
    assert reason == text or len(reason.encode()) > 119  # nothing is cut that would have fitted


def test_the_reason_names_the_fault_and_the_mend() -> None:
    error = BadMessage("media.payload is missing", mend="send base64 text")
    assert error.reason == "media.payload is missing (send base64 text)"
    assert (error.close_code, error.counted_as) == (1007, ErrorCode.BAD_MESSAGE)
    assert error.end_reason is EndReason.PROTOCOL_ERROR


@pytest.mark.parametrize("status", [402, 404, 486, 503])
def test_a_refusal_keeps_the_sessions_code_and_status_and_its_words_for_the_log(status: int) -> None:
    wire = WireError(
        code=ErrorCode.TENANT_FULL, message="no room", mend="wait", retryable=True, status=status
    )
    error = CallRefused(wire)
    assert error.close_code == 4000 + status
    assert error.counted_as is ErrorCode.TENANT_FULL
    assert str(error) == "no room (wait)"
    assert error.retryable


@pytest.mark.parametrize("code", ErrorCode)
def test_a_caller_who_is_refused_hears_a_sentence_for_callers_and_the_code(code: ErrorCode) -> None:
    wire = WireError(code=code, message="acme holds its 5 calls", mend="raise the limit", status=486)
    reason = CallRefused(wire).reason
    assert reason.startswith("We are sorry, ")
    assert reason.endswith(f". [{code}]")
    assert len(reason.encode()) < 123, "nothing was cut"
    assert "acme" not in reason
    assert "raise" not in reason


def test_each_error_has_a_close_code_a_client_may_see() -> None:
    kinds = [
        kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, GatewayError)
    ]
    assert len(kinds) > 10
    for kind in kinds:
        assert kind.close_code in {1002, 1003, 1007, 1008, 1009, 1011, 1012, 4503}
        assert kind.__doc__


def test_that_no_session_answers_may_pass() -> None:
    assert SessionUnavailable("nobody").retryable
