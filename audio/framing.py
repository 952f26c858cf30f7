"""Cut a stream of samples of any chunk size into frames of one size, as a carrier wants them."""

from __future__ import annotations

from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

Sample = TypeVar("Sample", np.int16, np.float32)


class Framer(Generic[Sample]):
    """Frames of exactly `frame_samples` samples; what is left over waits for the next push.

    For 20 ms, `frame_samples` is rate_hz / 50: 160 at 8 kHz.
    """

    def __init__(self, frame_samples: int) -> None:
        if frame_samples < 1:
            raise ValueError(f"frame_samples is {frame_samples}: a frame holds at least one sample")
        self._frame_samples = frame_samples
        self._rest: NDArray[Sample] | None = None

    def push(self, pcm: NDArray[Sample]) -> list[NDArray[Sample]]:
        """Every frame that is complete with `pcm`, in order; views of one array, so copy before changing."""
        held = pcm if self._rest is None else np.concatenate((self._rest, pcm))
        if 0 < len(held) < self._frame_samples:
            self._rest = pcm.copy() if held is pcm else held
            return []
        whole = len(held) // self._frame_samples * self._frame_samples
        self._rest = held[whole:].copy() if whole < len(held) else None
        return list(held[:whole].reshape(-1, self._frame_samples))

    def flush(self) -> NDArray[Sample] | None:
        """The last, unfinished frame, filled up with silence; None where nothing is left."""
        rest, self._rest = self._rest, None
        if rest is None:
            return None
        return np.pad(rest, (0, self._frame_samples - len(rest)))
