"""Which of the caller's turns the gateway knows of, so that each interrupts the agent once."""

from __future__ import annotations

from typing import Final

_SAME_SPEECH_US: Final = 1_000_000


class Turns:
    """The newest turn of one call, as the stt worker and its replacements tell of it."""

    def __init__(self) -> None:
        self.waiting = False
        """The caller speaks, or waits for the answer."""
        self._last = -1
        self._speech_us: int | None = None

    def started(self, turn: int, started_us: int) -> bool:
        """Speech was heard; whether it is news.

        A replacement hears the speech of an undecided turn again, and says so under the same number and with
        nearly the same start. Where it found no speech in what its predecessor had taken for some, the next
        speech has the number again, and is news.
        """
        another = self._speech_us is not None and started_us > self._speech_us + _SAME_SPEECH_US
        if turn == self._last and another:
            self._last -= 1
        if turn > self._last:
            self._speech_us = started_us
        return self._is_news(turn)

    def ended(self, turn: int) -> bool:
        """A turn is decided; whether it is news, because the beginning of it was lost."""
        self._speech_us = None
        return self._is_news(turn)

    def _is_news(self, turn: int) -> bool:
        if turn <= self._last:
            return False
        self._last, self.waiting = turn, True
        return True
