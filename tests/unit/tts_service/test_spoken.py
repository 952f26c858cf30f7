"""What engines would read badly, written out; and nothing that has no sound."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tts_service.spoken import spoken


@pytest.mark.parametrize(
    "text",
    [
        "We open at 9:30 a.m. on Monday.",
        "Open at 9am and 5 p.m.",
        "50% off & more",
        "On the 21st, room 204.",
        "I'm sure you'll be fine, won't you?",
        "twenty-one",
        "Suite 5-B",
        "a 10-minute wait",
        "Mail info@brightsmile.com or see www.brightsmile.com.",
        "He sat in the Sun.",
        "naïve café",
    ],
)
def test_what_is_read_well_is_left_alone(text: str) -> None:
    assert spoken(text, "en-US") == text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("*Hello*, `you` _there_!", "Hello, you there!"),
        ("<b>Hello</b> 😀👍", "Hello"),
        ("[[hello]] you", "hello you"),
        ("Yes — no… maybe", "Yes, no. maybe"),
        ("We\u2019re “open”", 'We\'re "open"'),
        ("Really?! Yes...", "Really? Yes."),
        ("two\nlines\tand\x00more", "two lines and more"),
        ("snake_case", "snake case"),
    ],
)
@pytest.mark.parametrize("language", ["en-US", "de-DE"])
def test_markup_and_signs_without_sound_go_in_every_language(language: str, text: str, said: str) -> None:
    assert spoken(text, language) == said


@pytest.mark.parametrize("text", ["", "  ", "...", "?!", "😀", "—", "**", "[[]]", "\u200b"])
def test_what_has_no_sound_is_empty(text: str) -> None:
    assert spoken(text, "en-US") == ""


def test_outside_english_numbers_are_left_to_the_engine() -> None:
    assert spoken("Das kostet $95 am 12/5/2026.", "de-DE") == "Das kostet $95 am 12/5/2026."


def test_the_assistants_language_says_which_number_is_the_month() -> None:
    assert spoken("on 12/5/2026", "en-US") == "on December 5th, 2026"
    assert spoken("on 12/5/2026", "en-GB") == "on May 12th, 2026"


@given(st.text(max_size=200), st.sampled_from(["en-US", "en-GB", "fr-FR", "ja"]))
def test_any_text_comes_out_on_one_line_without_markup(text: str, language: str) -> None:
    said = spoken(text, language)
    assert said == " ".join(said.split())
    assert not set(said) & set("[]{}<>*`|\\\x00")
    assert spoken(said, language) == "" if not said else any(sign.isalnum() for sign in said)
