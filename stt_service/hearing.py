"""One caller's audio as an unbroken line of samples that knows the gateway's time of each.

Frames come numbered and stamped; some are lost, some come twice or late. Behind this file there is only
position: the number of samples since the first one. Silence stands where a frame is missing, because the
caller went on speaking, or not, for just as long.

Audio is kept as the carrier codes it, a byte a sample mostly: that costs nothing a frame, and most of it is
never looked at again. Who wants samples decodes: the detection loop one window of every call at a time.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import deque
from typing import Final, NamedTuple

import numpy as np

from audio.codec import decode_float, encode, to_pcm16
from audio.resample import Resampler
from contracts.frames import BYTES_PER_SAMPLE, Codec, Frame
from stt_service.ports import RATE_HZ, Samples

_SEQUENCES: Final = 1 << 32
_LATE_WITHIN: Final = 1_500  # frames (30 s): a number further back than this is a count that began anew
_LATE_IN_A_ROW: Final = 50  # frames (1 s): nothing but late ones is a count that began anew, too
_GAP_LIMIT: Final = 50  # frames (1 s): silence for more than that would end a turn that nobody ended
_US_PER_SAMPLE: Final = 1_000_000 / RATE_HZ
_NEW: Final = tuple.__new__  # half of what calling a named tuple's class costs
_SILENCE: Final = {codec: encode(codec, np.zeros(1, np.int16)) for codec in Codec}


class Arrival(NamedTuple):
    """What became of a frame: how many were lost just before it, and whether it came too late to be used."""

    lost: int = 0
    late: bool = False


IN_ORDER: Final = Arrival()


class Window(NamedTuple):
    """A window's samples, as they are kept."""

    codec: Codec
    payload: bytes


class CallerAudio:
    """The audio of one call from position 0 to `end`, of which the part since the last `forget` is kept.

    It is kept in the coding of the first frame, or as PCM16 where that has another rate than ours; what comes
    in another coding is recoded.
    """

    def __init__(self, window_samples: int) -> None:
        self.end = 0
        self._payloads: list[bytes] = []  # what is kept, and of each where it ends, and when it had come:
        self._ends: list[int] = []  # three lists, because numbers alone are searched without Python, and
        self._came_us: list[int] = []  # three appends cost less than an object
        self._window_samples = window_samples
        self._codec: Codec | None = None
        self._kept_unseen: Codec | None = None
        self._sample_bytes = 1
        self._unfinished = b""
        self.windows: deque[bytes] = deque()
        """Whole windows that were not handed out yet, as they are kept."""
        self._next_sequence: int | None = None
        self._late_in_a_row = 0
        self._resampler: tuple[int, Resampler[np.float32]] | None = None

    @property
    def latest_us(self) -> int:
        """The gateway's clock at the last sample; 0 before the first one."""
        return self._came_us[-1] if self._came_us else 0

    def add(self, frame: Frame) -> Arrival:
        """Take a frame in, with silence for those missing before it; one that was overtaken is left out."""
        codec, rate_hz, sequence, at_us, payload, *_ = frame
        if sequence == self._next_sequence and codec is self._kept_unseen and rate_hz == RATE_HZ:
            self._late_in_a_row = 0
            self._next_sequence = (sequence + 1) % _SEQUENCES
            self._append(payload, at_us)
            return IN_ORDER
        return self._add_otherwise(frame)

    def _add_otherwise(self, frame: Frame) -> Arrival:
        lost = 0
        if frame.sequence != self._next_sequence:
            lost = self._missing_before(frame.sequence, frame.at_us)
            if lost < 0:
                return Arrival(late=True)
        self._late_in_a_row = 0
        self._next_sequence = (frame.sequence + 1) % _SEQUENCES
        payload = frame.payload if self._is_ours(frame) else self._recoded(frame)
        if not lost:
            self._append(payload, frame.at_us)
            return IN_ORDER
        frame_us = round(frame.duration_ms * 1000)
        samples = min(lost, _GAP_LIMIT) * (len(payload) // self._sample_bytes)
        self._append(self._silence(samples), frame.at_us - frame_us)
        self._append(payload, frame.at_us)
        return Arrival(lost=lost)

    def fill(self, ms: int) -> None:
        """Nothing has come for a while: let silence pass instead. Before the first frame none passes."""
        if self._codec is not None:
            self._append(self._silence(ms * RATE_HZ // 1000), self.latest_us + ms * 1000)

    def renumber(self) -> None:
        """Whoever sends now counts from its own start."""
        self._next_sequence = None

    def next_window(self) -> Window | None:
        """The oldest window that was not handed out yet, once it is complete."""
        if not self.windows or self._codec is None:
            return None
        return _NEW(Window, (self._codec, self.windows.popleft()))

    def between(self, start: int, end: int) -> Samples:
        """A copy of the samples in [start, end), as far as they are still kept."""
        if self._codec is None:
            return np.empty(0, np.float32)
        payloads = self._payloads[bisect_right(self._ends, start) : bisect_left(self._ends, end) + 1]
        if not payloads or end <= start:
            return np.empty(0, np.float32)
        size = self._sample_bytes
        begins = self._ends[bisect_right(self._ends, start)] - len(payloads[0]) // size
        wanted = b"".join(payloads)[max(0, start - begins) * size : max(0, end - begins) * size]
        return decode_float(self._codec, wanted)

    def time_us(self, position: int) -> int:
        """The gateway's clock when the sample before `position` had arrived."""
        at = self._brought(position)
        return round(self._came_us[at] - (self._ends[at] - position) * _US_PER_SAMPLE)

    def arrived_us(self, position: int) -> int:
        """The gateway's clock at the frame that brought the sample before `position`."""
        return self._came_us[self._brought(position)]

    def forget(self, before: int) -> None:
        """Let go of what lies before a position."""
        forgotten = min(bisect_right(self._ends, before), len(self._ends) - 1)
        if forgotten > 0:
            del self._payloads[:forgotten], self._ends[:forgotten], self._came_us[:forgotten]

    def _brought(self, position: int) -> int:
        """Which payload brought the sample before `position`; of those kept, the nearest to it."""
        return min(bisect_left(self._ends, position), len(self._ends) - 1)

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
        return ahead if ahead < _SEQUENCES // 2 else 0

    def _is_ours(self, frame: Frame) -> bool:
        """Whether the payload can be kept as it is, unseen: any byte is a sample of G.711."""
        return frame.codec is self._kept_unseen and frame.rate_hz == RATE_HZ

    def _recoded(self, frame: Frame) -> bytes:
        """The frame as it is kept; the first one says how that is."""
        samples = self._at_our_rate(frame)
        if self._codec is None:
            self._codec = frame.codec if frame.rate_hz == RATE_HZ else Codec.PCM16
            self._sample_bytes = BYTES_PER_SAMPLE[self._codec]
            self._kept_unseen = self._codec if self._codec is not Codec.PCM16 else None
        return encode(self._codec, to_pcm16(samples))

    def _at_our_rate(self, frame: Frame) -> Samples:
        samples = decode_float(frame.codec, frame.payload)
        if frame.rate_hz == RATE_HZ:
            return samples
        if self._resampler is None or self._resampler[0] != frame.rate_hz:
            self._resampler = (frame.rate_hz, Resampler(frame.rate_hz, RATE_HZ))
        return self._resampler[1].process(samples)

    def _silence(self, samples: int) -> bytes:
        assert self._codec is not None
        return _SILENCE[self._codec] * samples

    def _append(self, payload: bytes, until_us: int) -> None:
        if not payload:
            return
        self.end = end = self.end + len(payload) // self._sample_bytes
        self._payloads.append(payload)
        self._ends.append(end)
        self._came_us.append(until_us)
        size = self._window_samples * self._sample_bytes
        if self._unfinished:
            payload = self._unfinished + payload
        elif len(payload) == size:
            self.windows.append(payload)
            return
        whole = len(payload) // size * size
        self.windows.extend([payload[at : at + size] for at in range(0, whole, size)])
        self._unfinished = payload[whole:]
