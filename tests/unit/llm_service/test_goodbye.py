from __future__ import annotations

import pytest

from llm_service.goodbye import says_goodbye

PHRASES = ("goodbye", "bye", "bye bye", "that's all")


@pytest.mark.parametrize(
    "text",
    [
        "Thank you, goodbye.",
        "Bye!",
        "Bye-bye.",
        "Good bye.",
        "Okay, bye now.",
        "Goodbye, have a nice day.",
        "Alright. Thank you very much for your help. Bye.",
        "That\u2019s all, thank you.",
        "GOODBYE",
    ],
)
def test_a_goodbye(text: str) -> None:
    assert says_goodbye(text, PHRASES)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Can I say goodbye to Doctor Lee?",
        "Bye? What do you mean?",
        "I bought a bicycle.",
        "Goodbye to that old tooth then, now tell me what the whitening costs please.",
        "Before I say bye I wanted to ask you about the price of a cleaning.",
        "Stand by.",
        "Thanks for that.",
    ],
)
def test_no_goodbye(text: str) -> None:
    assert not says_goodbye(text, PHRASES)


def test_an_assistant_without_phrases_never_hears_one() -> None:
    assert not says_goodbye("Goodbye.", ())


def test_an_empty_phrase_is_none() -> None:
    assert not says_goodbye("Hello.", ("", "..."))
