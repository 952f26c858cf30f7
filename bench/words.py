"""Word error rate as a caller would judge it: "$240" and "two hundred forty dollars" are the same words."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import jiwer
from text_to_num import alpha2digit

_SAME = {
    "mister": "mr",
    "missus": "mrs",
    "doctor": "dr",
    "okay": "ok",
    "first": "1st",
    "second": "2nd",
    "third": "3rd",
}


def normalize(text: str) -> str:
    """Lower case, no punctuation, numbers as digits, neighbouring digits joined ("10:30", "ten thirty")."""
    text = alpha2digit(text.lower().replace("-", " "), "en")
    text = re.sub(r"\$\s*([\d.,]+)", r"\1 dollars", text)
    words = re.sub(r"[^a-z0-9' ]", "", re.sub(r"[-,;:.?!]\s", " ", text + " ")).replace("'", "").split()
    joined = " ".join(_SAME.get(word, word) for word in words)
    return re.sub(r"(?<=\d) (?=\d+\b)", "", joined)


@dataclass(frozen=True, slots=True)
class WordErrors:
    """Errors over a set of sentences."""

    errors: int
    words: int

    @property
    def rate(self) -> float:
        """Errors by words said."""
        return self.errors / self.words if self.words else 0.0


def count_errors(said: Sequence[str], understood: Sequence[str]) -> WordErrors:
    """Substitutions, deletions and insertions between what was said and what was understood."""
    result = jiwer.process_words([normalize(text) for text in said], [normalize(text) for text in understood])
    errors = result.substitutions + result.deletions + result.insertions
    return WordErrors(errors, result.hits + result.substitutions + result.deletions)
