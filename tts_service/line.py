"""From an engine's samples to what a telephone line carries: mu-law at 8 kHz in frames of 20 ms."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from audio import g711
from audio.codec import to_pcm16
from audio.resample import Resampler
from contracts.frames import FRAME_MS, Codec
from tts_service.ports import Pcm

CODEC: Final = Codec.MULAW
RATE_HZ: Final = 8_000
FRAME_BYTES: Final = RATE_HZ * FRAME_MS // 1000
_SILENCE: Final = b"\xff"


class LineEncoder:
    """One phrase on its way to the line; gives out whole frames only."""

    def __init__(self) -> None:
        self._resampler: Resampler[np.float32] | None = None
        self._rest = b""

    def push(self, pcm: Pcm) -> bytes:
        """The frames that `pcm` completes, one after the other. Raises RateError for a rate not carried."""
        if self._resampler is None:
            self._resampler = Resampler(pcm.rate_hz, RATE_HZ)
        return self._whole(self._resampler.process(pcm.samples))

    def flush(self) -> bytes:
        """The end of the phrase, filled up with silence to a whole frame; empty where nothing was pushed."""
        if self._resampler is None:
            return b""
        frames = self._whole(self._resampler.flush())
        rest, self._rest = self._rest, b""
        return frames + (rest.ljust(FRAME_BYTES, _SILENCE) if rest else b"")

    def _whole(self, samples: NDArray[np.float32]) -> bytes:
        line = self._rest + g711.encode_mulaw(to_pcm16(samples))
        whole = len(line) // FRAME_BYTES * FRAME_BYTES
        self._rest = line[whole:]
        return line[:whole]
