"""Cuts are made where nobody hears them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tts_service.phrasing import phrases, sentences


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hello. How can I help you?", ("Hello.", "How can I help you?")),
        ("We open at 9 a.m. On Sunday we rest.", ("We open at 9 a.m. On Sunday we rest.",)),
        ("Ask J. Smith. He knows!", ("Ask J. Smith.", "He knows!")),
        ('"Really?" "Yes."', ('"Really?"', '"Yes."')),
        ("Version 2.5 is out.", ("Version 2.5 is out.",)),
        ("はい。そうです。", ("はい。", "そうです。")),
        ("", ()),
    ],
)
def test_sentences(text: str, expected: tuple[str, ...]) -> None:
    assert sentences(text) == expected


def test_a_short_sentence_is_one_phrase() -> None:
    assert phrases("Yes, we are open on Sunday.", incremental=False) == ("Yes, we are open on Sunday.",)


@pytest.mark.parametrize(
    ("text", "first"),
    [
        (
            "If you have a toothache, please come in today at ten thirty, or call us.",
            "If you have a toothache,",
        ),
        (
            "On Saturday we are open from nine in the morning until one, and on Sunday we are closed.",
            "On Saturday we are open from nine in the morning until one,",
        ),
        (
            "A cleaning costs ninety dollars and takes about forty minutes of your time.",
            "A cleaning costs ninety dollars",
        ),
        (
            "Our number is five five five, zero one zero zero, and we are open from nine to five.",
            "Our number is five five five, zero one zero zero,",
        ),
    ],
)
def test_a_long_one_begins_with_its_first_clause(text: str, first: str) -> None:
    assert phrases(text, incremental=False)[0] == first
    assert phrases(text, incremental=True) == (text,)


def test_only_the_first_sentence_is_cut_for_speed() -> None:
    text = "Yes. If you have a toothache, please come in today at ten thirty, or call us."
    assert phrases(text, incremental=False) == tuple(sentences(text))


def test_there_is_no_cut_where_there_is_no_clause() -> None:
    text = "The quick brown foxes jumped over the extremely lazy dogs yesterday evening."
    assert phrases(text, incremental=False) == (text,)


@given(
    st.lists(
        st.sampled_from(["word", "and", "yes,", "no.", "Then", "x" * 30, "because", "9 a.m."]), max_size=150
    ),
    st.booleans(),
)
def test_phrases_joined_again_are_the_text(words: list[str], incremental: bool) -> None:
    text = " ".join(words)
    found = phrases(text, incremental=incremental)
    assert " ".join(found) == text
    assert all(0 < len(phrase) <= 240 for phrase in found)


@given(st.text(alphabet="ab ,.", max_size=2000), st.booleans())
def test_nothing_is_lost_and_nothing_too_long(text: str, incremental: bool) -> None:
    found = phrases(text, incremental=incremental)
    assert "".join("".join(found).split()) == "".join(text.split())
    assert all(len(phrase) <= 240 for phrase in found)
