from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_service.markdown import PlainText


def plain(text: str) -> str:
    stripper = PlainText()
    return stripper.feed(text) + stripper.flush()


@pytest.mark.parametrize(
    ("markdown", "spoken"),
    [
        ("We are **open** today.", "We are open today."),
        ("*Yes*, and __also__ _then_.", "Yes, and also then."),
        ("~~No~~ yes, ~5 minutes.", "No yes, ~5 minutes."),
        ("Call `extension 5` now.", "Call extension 5 now."),
        ("See [our site](https://example.com/a_b) please.", "See our site please."),
        ("![A tooth](tooth.png) hurts.", "A tooth hurts."),
        ("Great! [Here](x) it is.", "Great! Here it is."),
        ("Read [**this** one](x).", "Read this one."),
        (r"Two \* three \_ four \\ five.", r"Two * three _ four \ five."),
        ("It is 2 * 3 or 2*3 boxes.", "It is 2 * 3 or 2*3 boxes."),
        ("Use snake_case_name here.", "Use snake_case_name here."),
        ("Item [1] and [see] this.", "Item [1] and [see] this."),
        ("An [unfinished link", "An [unfinished link"),
        ("A [link](unfinished", "A [link](unfinished"),
        ("a [b [c](d) e", "a [b c e"),
        ("9 a.m. to 5 p.m.", "9 a.m. to 5 p.m."),
        ("-5 degrees and #5 there", "-5 degrees and #5 there"),
        ("3. That is the number.", "3. That is the number."),
        ("2024. That was the year.", "2024. That was the year."),
        ("C:\\temp", "C:\\temp"),
    ],
)
def test_marks_go_and_words_stay(markdown: str, spoken: str) -> None:
    assert plain(markdown) == spoken


@pytest.mark.parametrize(
    ("markdown", "blocks"),
    [
        ("# Hours\nWe open at nine.", ["Hours", "We open at nine."]),
        ("We have:\n- fillings\n* crowns\n+ braces", ["We have:", "fillings", "crowns", "braces"]),
        ("1. First\n2. Second\n3) Third", ["First", "Second", "Third"]),
        ("1. First\n2. Second\n\n1. Again", ["First", "Second", "Again"]),
        ("> Quoted\n> - nested", ["Quoted", "nested"]),
        ("One paragraph\ngoes on.\n\nAnother.", ["One paragraph goes on.", "Another."]),
        ("Run:\n```bash\nmake demo\n```\nDone.", ["Run:", "make demo", "Done."]),
        ("~~~\ncode\n~~~", ["code"]),
        ("\n\n  Hello", ["Hello"]),
        ("- **Bold item**\n", ["Bold item"]),
    ],
)
def test_blocks_are_kept_apart(markdown: str, blocks: list[str]) -> None:
    assert [" ".join(block.split()) for block in plain(markdown).split("\n") if block.strip()] == blocks


def test_table_bars_are_spaces() -> None:
    assert plain("Monday | 9 to 5").split() == ["Monday", "9", "to", "5"]


def test_a_bracket_that_never_closes_is_released_within_bounds() -> None:
    text = "[" + "word " * 100
    stripper = PlainText()
    assert len(stripper.feed(text)) > 250


def test_a_url_that_never_closes_is_released_within_bounds() -> None:
    stripper = PlainText()
    assert "[a](" in stripper.feed("[a](" + "x" * 600)


@given(st.text(alphabet="ab1 .*_`#-[]()!\\~|>\n", max_size=60), st.data())
def test_the_cut_of_the_stream_makes_no_difference(text: str, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(text)))
    stripper = PlainText()
    assert stripper.feed(text[:at]) + stripper.feed(text[at:]) + stripper.flush() == plain(text)


@given(st.text(max_size=80))
def test_nothing_is_invented(text: str) -> None:
    letters = iter(char for char in text if char.isalnum())
    assert all(char in letters for char in plain(text) if char.isalnum())
