"""Markdown to plain text, one character at a time, for models that write where they should speak.

Working by characters makes the result independent of how the stream was cut into tokens. Nothing is held
back longer than it takes to tell a mark from a word.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

BREAK: Final = "\n"
"""Between two blocks of the plain text: a paragraph, a list item, a heading. Nothing else is a newline."""

_MARKER_BEGINS: Final = re.compile(r"\s*(#{1,6}|[-*+•>]|\d{1,2}[.)]?|`{1,3}|~{1,3}|[-=*_]{2,}|[-=*_]{3,}\s+)")
_RULE: Final = re.compile(r"\s*(-{3,}|={3,}|\*{3,}|_{3,})\s*")
_MARKER: Final = re.compile(r"\s*(#{1,6}|[-*+•>]|(?P<number>\d{1,2})[.)])")
_FENCE: Final = re.compile(r"\s*(`{3}|~{3})")
_RUNS: Final = "*_~"
_LONGEST_LABEL: Final = 200
_LONGEST_URL: Final = 500


class PlainText:
    """Takes text in, gives plain text out; headings, lists, quotes and fences lose their marks."""

    def __init__(self) -> None:
        self._inline = _Inline()
        self._head: str | None = ""  # the line so far while it may still be a marker; None once it is text
        self._marked = False
        self._in_fence_line = False
        self._pending = ""
        self._items = 0

    def feed(self, text: str) -> str:
        """The plain text that is certain after these characters."""
        return "".join(map(self._step, text))

    def flush(self) -> str:
        """What was held back; the text is over."""
        return self._release(self._head or "") + self._inline.flush()

    def _step(self, char: str) -> str:
        if char == "\n":
            return self._end_line()
        if self._in_fence_line:
            return ""
        if self._head is None:
            return self._inline.feed(char)
        return self._at_line_start(self._head, char)

    def _at_line_start(self, head: str, char: str) -> str:
        longer = head + char
        if longer.isspace() or _MARKER_BEGINS.fullmatch(longer):
            self._head = longer
            return ""
        if _FENCE.fullmatch(head):
            self._in_fence_line = True
            return ""
        if char.isspace() and self._is_marker(head):
            self._head, self._marked = "", True
            return self._break(BREAK)
        return self._release(longer)

    def _is_marker(self, head: str) -> bool:
        """Whether `head` opens a block. A number does so only in its turn: "3." may begin a sentence."""
        marker = _MARKER.fullmatch(head)
        if marker is None:
            return False
        if marker["number"] is None:
            return True
        number = int(marker["number"])
        in_turn = number in (1, self._items + 1)
        self._items = number if in_turn else self._items
        return in_turn

    def _release(self, head: str) -> str:
        """The line is text after all: say its head, after the break before it."""
        self._head = None
        text = head.lstrip()
        if not text:
            return ""
        before, self._pending = self._pending, ""
        return before + "".join(map(self._inline.feed, text))

    def _end_line(self) -> str:
        head, self._head = self._head, ""
        marked, self._marked = self._marked, False
        if self._in_fence_line or (head is not None and _is_no_text(head)):
            self._in_fence_line = False
            return self._break(BREAK)
        released = self._release(head or "")
        self._head = ""
        return released + self._inline.flush() + self._break(BREAK if marked else " ")

    def _break(self, mark: str) -> str:
        """A block's end is said at once; whether a line merely goes on is seen on the next one."""
        if mark == BREAK:
            self._pending = ""
            return BREAK
        self._pending = mark
        return ""


def _is_no_text(line: str) -> bool:
    return not line.strip() or bool(_FENCE.fullmatch(line) or _RULE.fullmatch(line))


class _Inline:
    """Emphasis, code, links and escapes within a line."""

    def __init__(self) -> None:
        self._state: Callable[[str], str] = self._plain
        self._held = ""
        self._url = ""
        self._last = " "

    def feed(self, char: str) -> str:
        return self._state(char)

    def flush(self) -> str:
        held, self._held = self._held, ""
        url, self._url = self._url, ""
        self._state = self._plain
        if held[:1] in tuple(_RUNS):
            return ""
        return self._out(held + url)

    def _out(self, text: str) -> str:
        self._last = text[-1:] or self._last
        return text

    def _hold(self, char: str, state: Callable[[str], str]) -> str:
        self._held = char
        self._state = state
        return ""

    def _release(self) -> str:
        """Back to plain text; returns what was held."""
        held, self._held = self._held, ""
        self._state = self._plain
        return held

    def _plain(self, char: str) -> str:
        if char in _RUNS:
            return self._hold(char, self._run)
        if char == "\\":
            return self._hold(char, self._escaped)
        if char == "!":
            return self._hold(char, self._bang)
        if char == "[":
            return self._hold(char, self._label)
        if char == "`":
            return ""
        return self._out(" " if char == "|" else char)

    def _run(self, char: str) -> str:
        if char == self._held[0]:
            self._held += char
            return ""
        run = self._release()
        return (self._out(run) if _is_no_emphasis(run, self._last, char) else "") + self._plain(char)

    def _escaped(self, char: str) -> str:
        backslash = self._release()
        if char.isascii() and not char.isalnum() and not char.isspace():
            return self._out(char)
        return self._out(backslash) + self._plain(char)

    def _bang(self, char: str) -> str:
        bang = self._release()
        return ("" if char == "[" else self._out(bang)) + self._plain(char)

    def _label(self, char: str) -> str:
        if char == "[" or len(self._held) > _LONGEST_LABEL:
            return self._literally() + self._plain(char)
        self._held += char
        if char == "]":
            self._state = self._labelled
        return ""

    def _labelled(self, char: str) -> str:
        if char != "(":
            return self._literally() + self._plain(char)
        self._url = char
        self._state = self._in_url
        return ""

    def _in_url(self, char: str) -> str:
        self._url += char
        if char == ")":
            self._url = ""
            return self._replay(self._release()[1:-1])
        if len(self._url) > _LONGEST_URL:
            url, self._url = self._url, ""
            return self._literally() + self._replay(url)
        return ""

    def _literally(self) -> str:
        """What looked like a link and is none: its bracket is a bracket, the rest is read again."""
        held = self._release()
        return self._out(held[0]) + self._replay(held[1:])

    def _replay(self, text: str) -> str:
        return "".join(map(self.feed, text))


def _is_no_emphasis(run: str, before: str, after: str) -> bool:
    """`2 * 3`, `2*3`, `snake_case` and a lone tilde mean themselves."""
    if run[0] == "~":
        return len(run) == 1
    if run[0] == "_":
        return before.isalnum() and after.isalnum()
    return (before.isspace() and after.isspace()) or (before.isdigit() and after.isdigit())
