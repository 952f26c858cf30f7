"""A stream of tokens cut into sentences that can be spoken, each as soon as it is certainly complete.

A dot ends a sentence only when what follows begins like one, so the first character after it is awaited
(after "p.m.", the whole next word: "5 p.m. Monday to Friday" goes on). The result depends on the text alone,
not on how it was cut into tokens.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from llm_service.markdown import BREAK, PlainText

_OPENERS: Final = "\"'([{\u201c\u2018\u00ab\u00bf\u00a1"
_CLOSERS: Final = "\"')]}\u201d\u2019\u00bb"
_ENDS: Final = ".!?\u2026"
_WIDE_ENDS: Final = "\u3002\uff01\uff1f"  # full-width, with no space after them


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_TITLES: Final = _words(
    "dr mr mrs ms prof st mt ft sr jr rev hon gen col capt lt sgt gov sen rep messrs mme "
    "inc ltd co corp bros dept est approx ca vs cf al resp incl excl max min tel ext ave blvd rd"
)
_BEFORE_NUMBERS: Final = _words("no nr nos vol p pp fig figs ch sec art par apt rm fl ph")
_NEVER_LAST: Final = frozenset({"e.g", "i.e", "viz", "u.s", "u.k", "ph.d", "d.d.s", "m.d"})
_HOURS: Final = frozenset({"a.m", "p.m"})
_AFTER_HOURS: Final = _words(
    "monday tuesday wednesday thursday friday saturday sunday mondays tuesdays wednesdays thursdays fridays "
    "saturdays sundays mon tue tues wed thu thurs fri sat sun january february march april may june july "
    "august september october november december eastern central mountain pacific est edt cst cdt mst mdt "
    "pst pdt et ct mt pt gmt utc bst cet"
)
_INITIALS: Final = re.compile(r"(?:[^\W\d]\.)+[^\W\d]")
_NEXT_WORD: Final = re.compile(r"\W*(\w+)(\W?)")
_CLAUSE_BORDER: Final = re.compile(r"[,;:]\s|\s[\u2013\u2014-]\s|\u2014")
_EMOJI_FROM: Final = 0x2600
_INVISIBLE: Final = {"\u200d", "\ufe0e", "\ufe0f"}


class SentenceSplitter:
    """Takes text as it comes and gives back each sentence once; `flush` gives the rest.

    No sentence is much longer than `longest` characters: one that would be is cut at a clause border, or
    failing that between words, because speech begins only when a sentence is complete.
    """

    def __init__(self, longest: int = 160) -> None:
        self._longest = longest
        self._plain = PlainText()
        self._text = ""
        self._end: int | None = None  # where `_text` may turn out to end a sentence
        self._ready: list[str] = []

    def feed(self, delta: str) -> list[str]:
        """The sentences that `delta` completes."""
        for char in self._plain.feed(delta):
            self._step(char)
        return self._take()

    def flush(self) -> list[str]:
        """The sentences that were not certain yet; the text is over."""
        for char in self._plain.flush():
            self._step(char)
        self._close()
        return self._take()

    def _take(self) -> list[str]:
        ready, self._ready = self._ready, []
        return ready

    def _step(self, char: str) -> None:
        if char == BREAK:
            self._close()
        elif char.isspace():
            if self._text and not self._text.endswith(" "):
                self._text += " "
                self._judge()
        elif not _is_decoration(char):
            if self._text.endswith(tuple(_WIDE_ENDS)) and char not in _WIDE_ENDS + _CLOSERS:
                self._close()
            self._text += char
            self._judge()

    def _close(self) -> None:
        """The text so far ends here, whatever follows."""
        if self._end is not None and ends_sentence(
            self._text[: self._end], self._text[self._end + 1 :], is_all=True
        ):
            self._cut(self._end)
        self._cut(len(self._text))

    def _judge(self) -> None:
        if self._end is None and self._text[-2:-1] == " ":
            before = self._text[:-2].rstrip(_CLOSERS)
            self._end = len(self._text) - 2 if before.endswith(tuple(_ENDS)) else None
        if self._end is not None:
            verdict = ends_sentence(self._text[: self._end], self._text[self._end + 1 :])
            if verdict is None:
                return
            at, self._end = self._end, None
            if verdict:
                self._cut(at)
        if len(self._text) > self._longest:
            self._cut(_clause_border(self._text, self._longest))

    def _cut(self, at: int) -> None:
        sentence, self._text = self._text[:at].strip(), self._text[at:].lstrip()
        self._end = None
        if any(char.isalnum() for char in sentence):
            self._ready.append(sentence)


def ends_sentence(before: str, after: str, *, is_all: bool = False) -> bool | None:
    """Whether `before`, which ends in a mark, is a whole sentence when `after` follows it.

    None when `after` is too short to tell; never None when it is all that will come.
    """
    core = before.rstrip(_CLOSERS)
    if core[-1] in "!?":
        return True
    first = after.lstrip(_OPENERS)[:1]
    if not first and not is_all:
        return None
    if first.islower():
        return False
    if core.endswith(("\u2026", "..")):
        return True
    word = core[:-1].rsplit(None, 1)[-1].lstrip(_OPENERS) if core[:-1].strip() else ""
    if word.lower() in _HOURS:
        return _ends_after_hours(after, is_all=is_all)
    return not _is_abbreviation(word, core, first)


def _ends_after_hours(after: str, *, is_all: bool) -> bool | None:
    following = _NEXT_WORD.match(after)
    if following is None or not (following[2] or is_all):
        return True if is_all else None
    return following[1].lower() not in _AFTER_HOURS


def _is_abbreviation(word: str, core: str, first: str) -> bool:
    lower = word.lower()
    return (
        lower in _TITLES
        or lower in _NEVER_LAST
        or (lower in _BEFORE_NUMBERS and first.isdigit())
        or (len(word) == 1 and word.isupper() and word != "I")
        or (core[:-1].strip().isdigit() and len(word) < 3)  # "1." is not a sentence
        or _INITIALS.fullmatch(word) is not None
    )


def _clause_border(text: str, longest: int) -> int:
    """Where to cut a text that is too long; 0 when there is no place to yet."""
    borders = [match.end() for match in _CLAUSE_BORDER.finditer(text, longest // 4, longest)]
    if borders:
        return borders[-1]
    within = text.rfind(" ", 1, longest)
    return within if within > 0 else max(0, text.find(" ", longest))


def _is_decoration(char: str) -> bool:
    """An emoji, or what joins emojis: nothing to speak."""
    if char in _INVISIBLE:
        return True
    return ord(char) >= _EMOJI_FROM and unicodedata.category(char) in ("So", "Sk")


def left_to_say(text: str, said: str) -> str | None:
    """What of `text` is left when its beginning was spoken as `said`; None when `said` is no beginning of it.

    Compared by letters and digits alone: speaking strips marks and spaces.
    """
    wanted = [char for char in said if char.isalnum()]
    at = 0
    for char in wanted:
        while at < len(text) and not text[at].isalnum():
            at += 1
        if at == len(text) or text[at] != char:
            return None
        at += 1
    return text[at:].lstrip(_ENDS + _CLOSERS + " \n\t*_`") if wanted else text
