from __future__ import annotations

import pytest

from stt_service.finished import looks_finished


@pytest.mark.parametrize(
    "text",
    [
        "What are your opening hours?",
        "I broke a tooth this morning.",
        "What is that for?",
        "Stop!",
        "Yes.",
        "yes",
        "No",
        "My number is 555-0142.",
        "Call me at 9.",
        "I would like that.",
    ],
)
def test_a_finished_thought(text: str) -> None:
    assert looks_finished(text, "en-US")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "I would like to",
        "I would like to book a",
        "I would like to book a.",
        "I need an appointment and.",
        "Is it open on Saturday or?",
        "On Tuesday,",
        "So...",
        "So\u2026",
        "Um.",
        "Well, uh.",
        "I'm.",
        "I\u2019m.",
        "It is for.",
        "Tuesday",
    ],
)
def test_a_thought_that_goes_on(text: str) -> None:
    assert not looks_finished(text, "en-US")


def test_a_language_without_a_list_goes_by_its_punctuation() -> None:
    assert looks_finished("Ich brauche einen Termin und.", "de-DE")
    assert looks_finished("\u4f60\u597d\u3002", "zh")
    assert not looks_finished("Ich brauche einen Termin", "de-DE")
