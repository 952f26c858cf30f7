"""What a telephone does with the audio it receives: plays it when it comes, piece after piece, knows which
marks were passed, and forgets on `clear` what it had not played yet. Keeps what was really heard.

Positions are samples at 8 kHz on the caller's own clock, 0 being the moment the call began. No I/O.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from audio.g711 import decode_mulaw, decode_mulaw_float
from trunkline.utterance import LINE_RATE_HZ

_SILENCE: Final = b"\xff"
_FRAME: Final = LINE_RATE_HZ // 50
_LOUD_ABOVE: Final = 0.01  # -40 dBFS
_LOUD_SAMPLES: Final = 8
_NEW_SPURT_AFTER: Final = LINE_RATE_HZ * 3 // 10
_LOUD_CODES: Final = bytes(
    (np.abs(decode_mulaw_float(bytes(range(256)))) > _LOUD_ABOVE).astype(np.uint8).tolist()
)


@dataclass(slots=True)
class Spurt:
    """A stretch of agent audio with no longer pause than 300 ms in it.

    `arrived` is when its first frame came, `last_arrived` when its last one did, `heard_until` where its
    last audible frame ends or was cut, `cleared` when the platform took the rest of it back, if it did;
    `audible` how many samples of it, short pauses left out, were heard.
    """

    arrived: int
    heard_until: int
    cleared: int | None = None
    last_arrived: int = 0
    audible: int = 0


class Earpiece:
    """The playing side of one telephone; with `keep` it remembers all that it played."""

    def __init__(self, *, keep: bool = True) -> None:
        self.spurts: list[Spurt] = []
        self.frames = 0  # of 20 ms
        self._keep = keep
        self._heard = bytearray()
        self._end = 0
        self._marks: deque[tuple[int, str]] = deque()

    def play(self, payload: bytes, now: int) -> None:
        """Queue a mu-law payload that has just come."""
        self.frames += -(-len(payload) // _FRAME)  # a message holds several
        begins = max(self._end, now)
        if self._keep:
            self._heard += _SILENCE * (begins - len(self._heard))
            self._heard += payload
        last = self.spurts[-1] if self.spurts else None
        if last is None or last.cleared is not None or begins - self._end > _NEW_SPURT_AFTER:
            last = Spurt(now, begins)
            self.spurts.append(last)
        last.last_arrived = now
        self._end = begins + len(payload)
        if is_loud(payload):
            last.heard_until = self._end
            last.audible += len(payload)

    def mark(self, name: str, now: int) -> None:
        """Remember to say when everything before this mark has been played."""
        self._marks.append((max(self._end, now), name))

    def passed(self, now: int) -> list[str]:
        """The marks that playing has passed since the last look, in order."""
        names = []
        while self._marks and self._marks[0][0] <= now:
            names.append(self._marks.popleft()[1])
        return names

    def clear(self, now: int) -> list[str]:
        """Forget what is not played yet; every mark in it counts as passed."""
        if self._end > now:
            self._end = now
            del self._heard[now:]
        last = self.spurts[-1] if self.spurts else None
        if last is not None and last.cleared is None:
            last.cleared = now
            last.audible = max(0, last.audible - max(0, last.heard_until - now))
            last.heard_until = min(last.heard_until, now)
        names = [name for _, name in self._marks]
        self._marks.clear()
        return names

    def silent_since(self, now: int) -> int | None:
        """Where the last audible sound ended, None while it still plays or before there was any."""
        if not self.spurts or self.spurts[-1].heard_until > now:
            return None
        return self.spurts[-1].heard_until

    def heard(self) -> NDArray[np.int16]:
        """All that was played, with silence where nothing was."""
        return decode_mulaw(bytes(self._heard))

    def latest(self, samples: int, now: int) -> bytes:
        """The mu-law of the last `samples` before `now`, for a level meter; shorter where none was kept."""
        return bytes(self._heard[max(0, now - samples) : now])


def is_loud(mulaw: bytes) -> bool:
    """Whether a frame holds more than the hiss of a line."""
    return mulaw.translate(_LOUD_CODES).count(1) >= _LOUD_SAMPLES
