import pytest

from contracts import errors
from contracts.errors import ContractError, ErrorCode, FrameError, TrunklineError
from contracts.messages import WireError


class Busy(TrunklineError):
    code = ErrorCode.ENGINE_UNAVAILABLE
    retryable = True


def test_the_text_says_what_went_wrong_and_the_mend() -> None:
    error = TrunklineError("the shop is shut", mend="come back at nine")

    assert str(error) == "the shop is shut (come back at nine)"
    assert (error.message, error.mend) == ("the shop is shut", "come back at nine")


def test_an_error_may_have_no_mend() -> None:
    assert str(TrunklineError("lost")) == "lost"


def test_whether_to_try_again_is_the_class_s_word_unless_the_occasion_tells() -> None:
    assert not TrunklineError("x").retryable
    assert Busy("x").retryable
    assert not Busy("x", retryable=False).retryable
    assert TrunklineError("x", retryable=True).retryable
    assert Busy.retryable


@pytest.mark.parametrize(
    "kind", [cls for cls in vars(errors).values() if isinstance(cls, type) and issubclass(cls, ContractError)]
)
def test_every_contract_error_has_a_code_of_the_list_and_is_final(kind: type[ContractError]) -> None:
    assert kind.code in ErrorCode
    assert kind.code is not ErrorCode.INTERNAL
    assert not kind("x").retryable


def test_the_tree_in_the_docstring_is_the_tree_in_the_code() -> None:
    drawn = errors.__doc__ or ""
    classes = [cls for cls in vars(errors).values() if isinstance(cls, type) and issubclass(cls, Exception)]

    assert all(cls.__name__ in drawn for cls in classes)


def test_codes_are_what_they_are_called() -> None:
    assert all(code.value == code.name.lower() for code in ErrorCode)


def test_an_error_crosses_the_wire_with_all_it_says() -> None:
    sent = WireError.of(FrameError("bad frame", mend="send a good one", retryable=True), status=400)
    received = WireError.model_validate_json(sent.model_dump_json())

    assert received == WireError(
        code=ErrorCode.BAD_FRAME, message="bad frame", mend="send a good one", retryable=True, status=400
    )
