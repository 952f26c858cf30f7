"""Whisper's features: the logarithm of the energy in mel bands, a frame for every 10 ms.

The same numbers as faster-whisper's extractor. This one does not compute the silence after the speech, which
is known beforehand, and keeps to one thread.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from faster_whisper.feature_extractor import FeatureExtractor
from numpy.typing import NDArray

RATE_HZ: Final = 16_000
HOP: Final = 160
_WINDOW: Final = 400
_FLOOR: Final = 1e-10
_RANGE: Final = 8.0  # decades below the loudest that are told apart
_AT_ONCE: Final = 16
"""Frames to one matrix product. With more of them OpenBLAS calls its other threads, and on a machine where
these are busy, waiting for them took 20 ms where the work takes 3."""


class LogMel:
    """Log-mel frames for a model with `bands` mel bands."""

    def __init__(self, bands: int) -> None:
        filters = FeatureExtractor.get_mel_filters(RATE_HZ, _WINDOW, n_mels=bands)
        self._filters: NDArray[np.float32] = np.ascontiguousarray(filters.T, np.float32)
        self._taper = np.hanning(_WINDOW + 1)[:-1].astype(np.float32)

    def frames(self, samples: NDArray[np.float32], count: int) -> NDArray[np.float32]:
        """[bands, count] of `samples` at `RATE_HZ` and the silence after them.

        `count` is to cover the samples and half a window more, 12.5 ms.
        """
        heard = -(-(len(samples) + _WINDOW // 2) // HOP)
        blocks = -(-heard // _AT_ONCE)
        line = np.zeros(_WINDOW + blocks * _AT_ONCE * HOP, np.float32)
        line[: len(samples)] = samples
        line = np.pad(line, (_WINDOW // 2, 0), mode="reflect")
        windows = np.lib.stride_tricks.sliding_window_view(line, _WINDOW)[::HOP][: blocks * _AT_ONCE]
        spectrum = np.fft.rfft(windows * self._taper)
        power = np.square(spectrum.real) + np.square(spectrum.imag)
        bands = np.matmul(power.reshape(blocks, _AT_ONCE, -1), self._filters)
        mel = np.full((self._filters.shape[1], count), _FLOOR, np.float32)
        mel[:, :heard] = np.maximum(bands.reshape(blocks * _AT_ONCE, -1)[:heard].T, _FLOOR)
        logarithm: NDArray[np.float32] = np.log10(mel)
        scaled: NDArray[np.float32] = (np.maximum(logarithm, logarithm.max() - _RANGE) + 4.0) / 4.0
        return scaled
