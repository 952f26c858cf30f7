"""Telling that a caller says goodbye: one of the assistant's phrases, whole, at the end of a short turn.

A wrong yes costs little (the caller talks over the farewell and the call goes on), a wrong no leaves the
caller waiting; both are rare when the phrase has to stand near the end.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

_LONGEST_TURN_WORDS: Final = 14
_WORDS_AFTER: Final = 4
_CURLY_APOSTROPHE: Final = "\u2019"
_WORD: Final = re.compile(r"[^\W_]+(?:'[^\W_]+)*")


def says_goodbye(text: str, phrases: Iterable[str]) -> bool:
    """Whether a turn of at most 14 words has a phrase within its last words, and asks nothing after it."""
    words = _words(text)
    if len(words) > _LONGEST_TURN_WORDS or text.rstrip().endswith("?"):
        return False
    return any(_stands_near_the_end(words, _words(phrase)) for phrase in phrases)


def _stands_near_the_end(words: list[str], phrase: list[str]) -> bool:
    if not phrase:
        return False
    last = len(words) - len(phrase)
    return any(words[at : at + len(phrase)] == phrase for at in range(max(0, last - _WORDS_AFTER), last + 1))


def _words(text: str) -> list[str]:
    return _WORD.findall(text.casefold().replace(_CURLY_APOSTROPHE, "'"))
