"""One caller's audio as an unbroken line of samples that knows the gateway's time of each.

Frames come numbered and stamped; some are lost, some come twice or late. Behind this file there is only
position: the number of samples since the first one. Silence stands where a frame is missing, because the
caller went on speaking, or not, for just as long.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from audio.codec import decode_float
from audio.framing import Framer
from audio.resample import Resampler
from contracts.frames import Frame
from stt_service.ports import RATE_HZ, Samples

_SEQUENCES: Final = 1 << 32
_LATE_WITHIN: Final = 1_500  # frames (30 s): a number further back than this is a count that began anew
_LATE_IN_A_ROW: Final = 50  # frames (1 s): nothing but late ones is a count that began anew, too
_GAP_LIMIT: Final = 50  # frames (1 s): silence for more than that would end a turn that nobody ended
_US_PER_SAMPLE: Final = 1_000_000 / RATE_HZ


class Arrival(NamedTuple):
    """What became of a frame: how many were lost just before it, and whether it came too late to be used."""

    lost: int = 0
    late: bool = False


@dataclass(frozen=True, slots=True)
class _Chunk:
    start: int
    samples: Samples
    until_us: int

    @property
    def end(self) -> int:
        return self.start + len(self.samples)


class CallerAudio:
    """The audio of one call from position 0 to `end`, of which the part since the last `forget` is kept."""

    def __init__(self, window_samples: int) -> None:
        self.end = 0
        self._chunks: deque[_Chunk] = deque()
        self._framer: Framer[np.float32] = Framer(window_samples)
        self._windows: deque[Samples] = deque()
        self._next_sequence: int | None = None
        self._late_in_a_row = 0
        self._resampler: tuple[int, Resampler[np.float32]] | None = None

    @property
    def latest_us(self) -> int:
        """The gateway's clock at the last sample; 0 before the first one."""
        return self._chunks[-1].until_us if self._chunks else 0

    def add(self, frame: Frame) -> Arrival:
        """Take a frame in, with silence for those missing before it; one that was overtaken is left out."""
        lost = self._missing_before(frame.sequence, frame.at_us)
        if lost < 0:
            return Arrival(late=True)
        self._next_sequence = (frame.sequence + 1) % _SEQUENCES
        samples = self._at_our_rate(frame)
        frame_us = round(frame.duration_ms * 1000)
        if lost:
            silence = np.zeros(min(lost, _GAP_LIMIT) * len(samples), np.float32)
            self._append(silence, frame.at_us - frame_us)
        self._append(samples, frame.at_us)
        return Arrival(lost=lost)

    def fill(self, ms: int) -> None:
        """Nothing has come for a while: let silence pass instead."""
        self._append(np.zeros(ms * RATE_HZ // 1000, np.float32), self.latest_us + ms * 1000)

    def renumber(self) -> None:
        """Whoever sends now counts from its own start."""
        self._next_sequence = None

    def next_window(self) -> Samples | None:
        """The oldest window that was not handed out yet, once it is complete."""
        return self._windows.popleft() if self._windows else None

    def between(self, start: int, end: int) -> Samples:
        """A copy of the samples in [start, end), as far as they are still kept."""
        parts = [
            chunk.samples[max(0, start - chunk.start) : max(0, end - chunk.start)]
            for chunk in self._chunks
            if chunk.end > start and chunk.start < end
        ]
        return np.concatenate(parts) if parts else np.empty(0, np.float32)

    def time_us(self, position: int) -> int:
        """The gateway's clock when the sample before `position` had arrived."""
        chunk = next((one for one in reversed(self._chunks) if one.start < position), None)
        if chunk is None:
            chunk = self._chunks[0]
        return round(chunk.until_us - (chunk.end - position) * _US_PER_SAMPLE)

    def arrived_us(self, position: int) -> int:
        """The gateway's clock at the frame that brought the sample before `position`."""
        return next((one for one in reversed(self._chunks) if one.start < position), self._chunks[0]).until_us

    def forget(self, before: int) -> None:
        """Let go of what lies before a position."""
        while len(self._chunks) > 1 and self._chunks[0].end <= before:
            self._chunks.popleft()

    def _missing_before(self, sequence: int, at_us: int) -> int:
        """How many frames are missing; negative for a frame that came too late."""
        if self._next_sequence is None:
            return 0
        ahead = (sequence - self._next_sequence) % _SEQUENCES
        behind = _SEQUENCES - ahead
        if behind <= _LATE_WITHIN and at_us <= self.latest_us:  # it came again; who counts anew stamps anew
            return -1
        if behind <= _LATE_WITHIN and self._late_in_a_row < _LATE_IN_A_ROW:
            self._late_in_a_row += 1
            return -1
        self._late_in_a_row = 0
        return ahead if ahead < _SEQUENCES // 2 else 0

    def _at_our_rate(self, frame: Frame) -> Samples:
        samples = decode_float(frame.codec, frame.payload)
        if frame.rate_hz == RATE_HZ:
            return samples
        if self._resampler is None or self._resampler[0] != frame.rate_hz:
            self._resampler = (frame.rate_hz, Resampler(frame.rate_hz, RATE_HZ))
        return self._resampler[1].process(samples)

    def _append(self, samples: Samples, until_us: int) -> None:
        if len(samples):
            self._chunks.append(_Chunk(self.end, samples, until_us))
            self.end += len(samples)
            self._windows.extend(self._framer.push(samples))
