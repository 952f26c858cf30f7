"""Sample rates to one another: as a stream without audible delay, and whole clips at high quality.

Two ways, because they want different things. soxr is fast and as clean as it gets on a whole clip, but as
a stream it holds 40 to 115 ms of speech back (measured at 8 to 24 kHz, 20 ms chunks), which a caller would
hear in every turn. The streaming resampler is therefore a short polyphase filter of our own: 2 ms of delay
at 8 kHz, a stop band 60 dB down.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Any, Final, Generic, TypeVar, overload

import numpy as np
import soxr
from numpy.typing import NDArray

from audio.errors import RateError

RATES_HZ: Final = frozenset({8_000, 16_000, 22_050, 24_000, 48_000})
_LOBES: Final = 16  # zero crossings of the filter on each side, at the lower of the two rates
_CUTOFF: Final = 0.94  # of the lower Nyquist frequency: the passband of telephone speech stays whole
_KAISER_BETA: Final = 5.65  # 60 dB

Sample = TypeVar("Sample", np.int16, np.float32)


def _check(*rates_hz: int) -> None:
    for rate_hz in rates_hz:
        if rate_hz not in RATES_HZ:
            raise RateError(
                f"audio at {rate_hz} Hz is not carried here",
                mend=f"use one of {', '.join(map(str, sorted(RATES_HZ)))}",
            )


def resample(pcm: NDArray[Sample], from_hz: int, to_hz: int) -> NDArray[Sample]:
    """A whole clip of one channel at another rate; raises RateError for a rate that is not carried."""
    _check(from_hz, to_hz)
    if from_hz == to_hz or not len(pcm):
        return pcm
    clip: NDArray[Sample] = soxr.resample(pcm, from_hz, to_hz, "HQ")
    return clip


@cache
def _filter(up: int, down: int) -> NDArray[np.float32]:
    """One row of taps for each of the `up` positions of an output between two inputs; a row sums to 1."""
    width = max(1.0, down / up)  # how many inputs lie between two zero crossings
    half = math.ceil(_LOBES * width)
    at = (np.arange(1 - half, half + 1) - np.arange(up)[:, None] / up) / width
    window = np.i0(_KAISER_BETA * np.sqrt(np.clip(1 - (at / _LOBES) ** 2, 0, None)))
    taps: NDArray[np.float64] = np.sinc(at * _CUTOFF) * np.where(abs(at) <= _LOBES, window, 0)
    taps /= taps.sum(axis=1, keepdims=True)
    return taps.astype(np.float32)


class Resampler(Generic[Sample]):
    """One stream of one channel from one rate to another, in chunks of any size.

    The output is aligned in time with the input and, after `flush`, as long: ceil(samples * to / from).
    Until then it is `delay_ms` behind. The result does not depend on how the input was cut.
    """

    @overload
    def __init__(self: Resampler[np.float32], from_hz: int, to_hz: int) -> None: ...
    @overload
    def __init__(self, from_hz: int, to_hz: int, dtype: type[Sample]) -> None: ...
    def __init__(self, from_hz: int, to_hz: int, dtype: Any = np.float32) -> None:
        _check(from_hz, to_hz)
        common = math.gcd(from_hz, to_hz)
        self._up, self._down = to_hz // common, from_hz // common
        self._taps = _filter(self._up, self._down)
        self._half = self._taps.shape[1] // 2
        self._dtype = np.dtype(dtype)
        self.delay_ms = 0.0 if from_hz == to_hz else self._half * 1000 / from_hz
        self._start()

    def _start(self) -> None:
        self._held = np.zeros(self._half - 1, np.float32)  # the silence before the first sample
        self._phase = 0  # of the next output, in units of 1/up of an input sample, from the first sample held

    def process(self, pcm: NDArray[Sample]) -> NDArray[Sample]:
        """What can be said after `pcm`; empty where the chunk is shorter than the filter."""
        if pcm.dtype != self._dtype:
            raise TypeError(f"{pcm.dtype} samples given to a resampler of {self._dtype}")
        if self._up == self._down:
            return pcm
        held = np.concatenate((self._held, pcm.astype(np.float32, copy=False)))
        ready = len(held) - 2 * self._half + 1  # positions with every tap covered
        count = max(0, -((self._phase - ready * self._up) // self._down))
        return self._emit(held, count)

    def flush(self) -> NDArray[Sample]:
        """The end of the stream, which waited for samples that do not come; starts anew after."""
        if self._up == self._down:
            return np.empty(0, self._dtype)
        left = (len(self._held) - self._half + 1) * self._up - self._phase
        held = np.concatenate((self._held, np.zeros(self._half, np.float32)))
        tail = self._emit(held, max(0, -(-left // self._down)))
        self._start()
        return tail

    def _emit(self, held: NDArray[np.float32], count: int) -> NDArray[Sample]:
        at = self._phase + self._down * np.arange(count)
        windows = held[(at // self._up)[:, None] + np.arange(2 * self._half)]
        samples: NDArray[np.float32] = np.einsum("ij,ij->i", windows, self._taps[at % self._up])
        consumed, self._phase = divmod(self._phase + self._down * count, self._up)
        self._held = held[consumed:].copy()
        if self._dtype == np.int16:
            samples = np.rint(samples).clip(-32768, 32767)
        return samples.astype(self._dtype, copy=False)
