from __future__ import annotations

import re
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from llm_service.sentences import SentenceSplitter, left_to_say


def split(text: str, longest: int = 160) -> list[str]:
    splitter = SentenceSplitter(longest)
    return [*splitter.feed(text), *splitter.flush()]


@pytest.mark.parametrize(
    "sentences",
    [
        ["We are open.", "Come in!", "Will you?"],
        ["Dr. Smith and Mrs. Lee see you at 3.5 hours past noon.", "Bring $49.50."],
        ["We are open from 9 a.m. to 5 p.m. Monday to Friday.", "On Sunday we rest."],
        ["We close at 6 p.m.", "On Saturday we open at 9 a.m."],
        ["Bring a card, e.g. Visa, i.e. plastic.", "Thanks."],
        ["It is at 12.30, or at 10:45.", "Pay 1,250.75 dollars."],
        ["J. R. Smith wrote to John F. Kennedy.", "He answered."],
        ["So do I.", "And you?"],
        ["See www.example.com or https://example.com/a.b?c=d.", "It is there."],
        ["Write to jo.doe@example.co.uk.", "We read it."],
        ['She said "Come in."', "He did."],
        ["(It is free.)", "Really!"],
        ["Well... let me see.", "Yes."],
        ["Wait...", "There it is."],
        ["What?!", "No."],
        ["It is No. 5 on p. 7.", "Look."],
        ["No.", "We do not."],
        ["Is it open?", "yes it is."],
        ["The U.S. Army came.", "It left."],
        ["Version 2.0.1 is out.", "Good."],
        ["Acme Inc. Dental is closed.", "Sorry."],
        ["It costs about 50 etc.", "Fine."],
    ],
)
def test_sentences_are_found(sentences: list[str]) -> None:
    assert split(" ".join(sentences)) == sentences


def test_several_sentences_in_one_delta_come_at_once() -> None:
    splitter = SentenceSplitter()
    assert splitter.feed("One. Two. Three. F") == ["One.", "Two.", "Three."]


def test_the_first_sentence_comes_with_the_first_letter_of_the_second() -> None:
    splitter = SentenceSplitter()
    assert splitter.feed("We are open. ") == []
    assert splitter.feed("O") == ["We are open."]


def test_a_question_comes_with_the_next_letter_whatever_its_case() -> None:
    splitter = SentenceSplitter()
    assert splitter.feed("Is it? i") == ["Is it?"]


def test_after_hours_the_next_word_is_awaited() -> None:
    splitter = SentenceSplitter()
    assert splitter.feed("Until 5 p.m. We") == []
    assert splitter.feed(" ") == ["Until 5 p.m."]


def test_hours_at_the_end_of_the_text_are_judged_by_what_there_is() -> None:
    assert split("Until 5 p.m. Monday") == ["Until 5 p.m. Monday"]
    assert split("Until 5 p.m. Come") == ["Until 5 p.m.", "Come"]


def test_a_list_is_spoken_item_by_item() -> None:
    assert split("We offer:\n\n1. **Fillings**\n2. Crowns\n\nCall us.") == [
        "We offer:",
        "Fillings",
        "Crowns",
        "Call us.",
    ]


def test_an_item_number_alone_is_no_sentence() -> None:
    assert split("3. Take the lift. Then turn.") == ["3. Take the lift.", "Then turn."]


def test_wide_marks_need_no_space() -> None:
    assert split("\u306f\u3044\u3002\u305d\u3046\u3067\u3059\uff01\u3048\uff1f") == [
        "\u306f\u3044\u3002",
        "\u305d\u3046\u3067\u3059\uff01",
        "\u3048\uff1f",
    ]


def test_a_long_sentence_is_cut_at_a_clause_border() -> None:
    text = (
        "We can do this for you at any time, " + "and there is so much more to say about it " * 3 + "today."
    )
    first, *rest = split(text, longest=80)
    assert first == "We can do this for you at any time,"
    assert all(len(sentence) <= 80 for sentence in rest)
    assert " ".join([first, *rest]) == text


def test_a_long_sentence_without_a_border_is_cut_between_words() -> None:
    text = "word " * 60 + "end."
    pieces = split(text, longest=100)
    assert all(len(piece) <= 100 for piece in pieces)
    assert " ".join(pieces) == " ".join(text.split())


def test_a_word_longer_than_a_sentence_may_be_stays_whole() -> None:
    word = "x" * 300
    assert split(f"{word} and on.", longest=50) == [word, "and on."]


def test_numbers_are_not_cut_at_their_commas() -> None:
    text = "It is " + "1,000,000 " * 30
    assert all(re.fullmatch(r"(It is )?(1,000,000 ?)*", piece) for piece in split(text, longest=60))


def test_what_cannot_be_spoken_is_dropped() -> None:
    assert split("Sure! \U0001f600 \n---\n***\nSee you \u2764\ufe0f soon.") == ["Sure!", "See you soon."]


def test_degrees_are_no_decoration() -> None:
    assert split("It is 20\u00b0C outside.") == ["It is 20\u00b0C outside."]


_TRICKY = (
    'We are open Dr. Smith 9 a.m. p.m. Monday $49.50 3.5 e.g. No. 5 J. really? yes! (so) "Hi." I. U.S. on'
)
_WORDS = st.sampled_from(_TRICKY.split())
_PROSE = st.lists(_WORDS, max_size=40).map(" ".join)
_ANY = st.text(max_size=120) | st.text(alphabet="Aab1 .?!*_`#-[]()\n,;\u3002\u2026", max_size=80)


@given(_PROSE | _ANY, st.lists(st.integers(0, 120), max_size=10))
@example("a.m. B", [5])
@example("*a*. B\n1. c", [1, 2, 3])
def test_the_cut_of_the_stream_makes_no_difference(text: str, cuts: list[int]) -> None:
    splitter = SentenceSplitter(40)
    edges = [0, *sorted(cut for cut in cuts if cut < len(text)), len(text)]
    pieces = [text[a:b] for a, b in pairwise(edges)]
    in_pieces = [sentence for piece in pieces for sentence in splitter.feed(piece)]
    assert [*in_pieces, *splitter.flush()] == split(text, 40)


@given(_PROSE)
def test_prose_is_all_spoken(text: str) -> None:
    assert " ".join(split(text)) == text


@given(st.text(alphabet=st.characters(exclude_characters="*_~`#>[]()!\\|+-\u2022"), max_size=200))
def test_no_letter_is_lost_where_nothing_is_marked(text: str) -> None:
    spoken = "".join(split(text, 30))
    plain = re.sub(r"(?m)^\s*\d{1,2}[.)](?=\s)", "", text)  # the numbers of a list are marks
    letters = [char for char in spoken if char.isalnum()]
    assert letters == [char for char in text if char.isalnum()] or letters == [
        char for char in plain if char.isalnum()
    ]


@given(_ANY)
def test_every_sentence_can_be_spoken(text: str) -> None:
    for sentence in split(text, 40):
        assert sentence == sentence.strip()
        assert any(char.isalnum() for char in sentence)
        assert "\n" not in sentence


@pytest.mark.parametrize(
    ("text", "said", "left"),
    [
        ("One two. Three four.", "", "One two. Three four."),
        ("One two. Three four.", "One two.", "Three four."),
        ("One **two**. Three four.", "One two.", "Three four."),
        ("One two.", "One two.", ""),
        ("One two.", "Another", None),
        ("One", "One two", None),
    ],
)
def test_what_is_left_to_say(text: str, said: str, left: str | None) -> None:
    assert left_to_say(text, said) == left
