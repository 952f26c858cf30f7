"""Twilio's own library is the judge of what a signature is."""

from urllib.parse import parse_qsl, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.datastructures import MultiDict
from twilio.request_validator import RequestValidator

from gateway_service.rest.twilio_signature import is_signed, signature

URL = "https://voice.example.com/webhooks/twilio/voice"
TOKEN = "0123456789abcdef0123456789abcdef"
WORDS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)


@given(st.dictionaries(WORDS, WORDS, max_size=8), st.dictionaries(WORDS, WORDS, max_size=2))
def test_signatures_are_those_of_twilios_own_library(form: dict[str, str], query: dict[str, str]) -> None:
    url = f"{URL}?{urlencode(query)}" if query else URL
    assert signature(TOKEN, url, list(form.items())) == RequestValidator(TOKEN).compute_signature(url, form)


def test_fields_that_come_twice_are_signed_as_twilio_does() -> None:
    fields = parse_qsl("b=2&a=z&a=1&a=z&c=", keep_blank_values=True)
    judge = RequestValidator(TOKEN).compute_signature(URL, MultiDict(fields))
    assert signature(TOKEN, URL, fields) == judge


@pytest.mark.parametrize(
    ("url", "fields", "tokens"),
    [
        (f"{URL}/", [("a", "1")], [TOKEN]),
        (URL, [("a", "2")], [TOKEN]),
        (URL, [], [TOKEN]),
        (URL, [("a", "1")], ["another"]),
        (URL, [("a", "1")], []),
    ],
)
def test_anything_else_is_not_signed(url: str, fields: list[tuple[str, str]], tokens: list[str]) -> None:
    made = signature(TOKEN, URL, [("a", "1")])
    assert is_signed(["another", TOKEN], URL, [("a", "1")], made)
    assert not is_signed(tokens, url, fields, made)


@given(st.text(max_size=60))
def test_no_junk_is_a_signature(junk: str) -> None:
    assert not is_signed([TOKEN], URL, [("a", "1")], junk)
