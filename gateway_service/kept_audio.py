"""The last seconds of a caller, kept so that a replacement of the stt worker can hear them again.

One ring of bytes and one of times a call: a frame is neither an object nor an allocation here, because there
are fifty a second of each caller and hardly one of them is ever asked for.
"""

from __future__ import annotations

from array import array
from typing import Final

from contracts.frames import FRAME_MS

FRAME_BYTES: Final = 8 * FRAME_MS
"""20 ms of mu-law at 8 kHz."""


class KeptAudio:
    """The newest `frames` frames of one caller, numbered from `before` + 1 in the order of their coming."""

    def __init__(self, frames: int, before: int = 0) -> None:
        self._frames = frames
        self._sound = memoryview(bytearray(frames * FRAME_BYTES))
        self._at_us = array("Q", bytes(8 * frames))
        self._before = self.newest = before
        self._again_from: int | None = None

    @property
    def again(self) -> bool:
        """Older frames are being given again: those that come now are to follow them."""
        return self._again_from is not None

    @property
    def oldest(self) -> int:
        """The number of the oldest frame that is still here; one past the newest where there is none."""
        return max(self._before, self.newest - self._frames) + 1

    def keep(self, payload: bytes, at_us: int) -> int:
        """Keep a frame of exactly `FRAME_BYTES`, in place of the oldest when full; returns its number."""
        self.newest += 1
        slot = self.newest % self._frames
        self._sound[slot * FRAME_BYTES : (slot + 1) * FRAME_BYTES] = payload
        self._at_us[slot] = at_us
        return self.newest

    def begin_again(self, after_us: int) -> int:
        """Give again what came after `after_us`, as far as it is here; returns how many frames."""
        number = self.newest
        while number >= self.oldest and self._at_us[number % self._frames] > after_us:
            number -= 1
        self._again_from = number + 1
        return self.newest - number

    def next_again(self) -> tuple[int, bytes, int] | None:
        """The next frame to give again: its number, payload and time in microseconds. None once, at the end,
        those that came meanwhile were given too.
        """
        if self._again_from is None:
            return None
        number = max(self._again_from, self.oldest)
        if number > self.newest:
            self._again_from = None
            return None
        self._again_from = number + 1
        slot = number % self._frames
        return number, bytes(self._sound[slot * FRAME_BYTES : (slot + 1) * FRAME_BYTES]), self._at_us[slot]
