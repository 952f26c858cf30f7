import pytest
from hypothesis import given
from hypothesis import strategies as st

from router_service.errors import BadValue
from router_service.phone import e164


@pytest.mark.parametrize(
    ("written", "number"),
    [
        ("+15550100", "+15550100"),
        ("+39 055 123-4567", "+390551234567"),
        ("+39 055 1001", "+390551001"),
        (" +1 (202) 555-0100 ", "+12025550100"),
        ("+49\u00a030\u00a01234567", "+49301234567"),
    ],
)
def test_a_number_has_one_form(written: str, number: str) -> None:
    assert e164(written) == number
    assert e164(number) == number


@pytest.mark.parametrize(
    ("written", "fault"),
    [
        ("", "not an international number"),
        ("15550100", "not an international number"),
        ("0555 0100", "not an international number"),
        ("+", "not a telephone number"),
        ("+999123456789", "not a telephone number"),
        ("+1555", "cannot be dialled"),
        ("+120255501001234", "cannot be dialled"),
        ("+442079460018 ext 3", "cannot be dialled"),
        ("+1555\x000100", "not a telephone number|cannot be dialled"),
    ],
)
def test_what_cannot_be_dialled_is_refused(written: str, fault: str) -> None:
    with pytest.raises(BadValue, match=fault):
        e164(written)


@given(st.text(max_size=40))
def test_any_text_is_a_number_or_refused(written: str) -> None:
    try:
        number = e164(written)
    except BadValue:
        return
    assert number.startswith("+")
    assert number[1:].isascii()
    assert number[1:].isdigit()
