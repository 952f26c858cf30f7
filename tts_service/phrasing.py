"""Where a text may be cut without being heard: between sentences, and inside a long one between clauses.

An engine that makes a phrase whole is given a short first one, so that the caller hears something early; each
later phrase is made while the one before it is heard, so it may be longer and sound the better for it.
"""

from __future__ import annotations

import re
from typing import Final

_SENTENCE_END: Final = re.compile(r"(?<=[.!?])[\"')]*\s+(?=[\"'(]*[A-Z0-9À-Þ])|(?<=[。！？])")  # noqa: RUF001
_NO_END: Final = re.compile(
    r"\b(?:[A-Z]|[ap]\.m|e\.g|i\.e|etc|vs|ext|Dr|Mr|Mrs|Ms|Prof|St|Jr|Sr|Inc|Ltd|Co)\.$"
)
_CLAUSE_END: Final = re.compile(  # but not between the groups of a telephone number
    r"(?<=[,;:])\s+(?!\d|(?:zero|one|two|three|four|five|six|seven|eight|nine)\b)|(?<=[、，])"  # noqa: RUF001
)
_CONJUNCTION: Final = re.compile(
    r"\s+(?=(?:and|but|or|so|because|which|where|when|while|if|unless|until|although|though|before|after)\s)"
)
_SPACE: Final = re.compile(r"\s+")

_WHOLE: Final = 60  # characters, about 4 s: a sentence up to this long is said in one go
_FIRST: Final = 12  # the least before the first cut, about 1 s: less would sound clipped
_AFTER: Final = 15  # the least after it
_CONJUNCTION_AFTER: Final = 28  # before a conjunction without a comma, only when so much is said already
_LONGEST: Final = 240  # about 16 s: what no engine needs to see at once


def sentences(text: str) -> tuple[str, ...]:
    """The sentences of `text`; an abbreviation or an initial ends none."""
    found: list[str] = []
    start = 0
    for cut in _SENTENCE_END.finditer(text):
        if not _NO_END.search(text[start : cut.start()]):
            found.append(text[start : cut.end()].strip())
            start = cut.end()
    found.append(text[start:].strip())
    return tuple(filter(None, found))


def phrases(text: str, *, incremental: bool) -> tuple[str, ...]:
    """What to give to an engine, one after the other; joined by spaces they are `text` again.

    `incremental` says that the engine's first audio does not wait for the whole phrase: then only what is
    longer than 240 characters is cut inside a sentence.
    """
    pieces: list[str] = []
    for sentence in sentences(text):
        cuttable = not incremental and not pieces and len(sentence) > _WHOLE
        first, rest = _first_clause(sentence) if cuttable else ("", sentence)
        pieces += [piece for piece in (first, *_no_longer_than(rest, _LONGEST)) if piece]
    return tuple(pieces)


def _first_clause(sentence: str) -> tuple[str, str]:
    """The shortest beginning that stands for itself, and the rest; nothing and all where there is none."""
    clauses = [cut for cut in _CLAUSE_END.finditer(sentence, 0, _WHOLE) if cut.start() >= _FIRST]
    conjunctions = [cut for cut in _CONJUNCTION.finditer(sentence) if cut.start() >= _CONJUNCTION_AFTER]
    for cut in (*clauses, *conjunctions):
        if len(sentence) - cut.end() >= _AFTER:
            return sentence[: cut.start()], sentence[cut.end() :]
    return "", sentence


def _no_longer_than(text: str, limit: int) -> list[str]:
    """`text` in pieces of at most `limit` characters, cut where it is heard least; a longer word, too."""
    pieces: list[str] = []
    while len(text) > limit:
        kinds = (_last(kind, text, limit) for kind in (_CLAUSE_END, _CONJUNCTION, _SPACE))
        cut = next(filter(None, kinds), None)
        begin, end = cut.span() if cut else (limit, limit)
        pieces.append(text[:begin])
        text = text[end:]
    return [*pieces, text]


def _last(where: re.Pattern[str], text: str, limit: int) -> re.Match[str] | None:
    """The last cut that leaves at least a third of `limit` before it."""
    cuts = [cut for cut in where.finditer(text, 0, limit + 1) if cut.start() >= limit // 3]
    return cuts[-1] if cuts else None
