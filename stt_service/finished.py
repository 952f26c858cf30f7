"""Whether a transcript reads like a finished thought, so that a short pause may end the turn.

Recognizers punctuate: a full stop or question mark is their opinion that the sentence is over. They give it
too gladly to a sentence that breaks off at "and" or "the", so the last word has a say.
"""

from __future__ import annotations

import re
from typing import Final

_SENTENCE_ENDS: Final = (".", "?", "!", "\u3002", "\uff1f", "\uff01")  # the last three as CJK writes them
_ELLIPSES: Final = ("...", "\u2026")
_LAST_WORD: Final = re.compile(r"([^\W\d_]+(?:['\u2019][^\W\d_]+)*)\W*$")

_MORE_TO_COME: Final[dict[str, str]] = {
    "en": " a an and because but my or our the their your ah eh er erm hm hmm mm uh uhm um ",
}
_MORE_UNLESS_ASKED: Final[dict[str, str]] = {
    # "What is it for?" is finished, "I would like it for." is not.
    "en": " at by for from i i'd i'll i'm i've if into is it's its of to until was we we'd we'll we're we've "
    "were which while with without you're ",
}
_WHOLE: Final[dict[str, str]] = {
    # Short answers, which recognizers often leave without a full stop.
    "en": " yes yeah yep yup no nope ok okay sure right correct exactly fine good great hello hi thanks bye "
    "goodbye please stop wait ",
}


def looks_finished(text: str, language: str) -> bool:
    """True where `text` ends as a sentence does, and not in a word after which one goes on.

    `language` is a code such as "en-US"; in a language without a list only the punctuation counts.
    """
    stripped = text.rstrip()
    spoken = language.partition("-")[0]
    if f" {stripped.lower()} " in _WHOLE.get(spoken, ""):
        return True
    if not stripped.endswith(_SENTENCE_ENDS) or stripped.endswith(_ELLIPSES):
        return False
    last = _LAST_WORD.search(stripped)
    if last is None:
        return True
    word = last[1].lower().replace("\u2019", "'")
    if f" {word} " in _MORE_TO_COME.get(spoken, ""):
        return False
    return stripped.endswith("?") or f" {word} " not in _MORE_UNLESS_ASKED.get(spoken, "")
