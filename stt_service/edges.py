"""Where speech begins and ends, to 10 ms: what a voice detector says too late, the sound itself still tells.

A detector judges windows of 32 ms and lets go of a voice some 90 ms after it has stopped. Latency measured
from there would be flattery, so the edges are looked for in the energy of the line around its verdict:
speech is what rises above the noise of this line and is within 40 dB of the loudest part of the turn.
"""

from __future__ import annotations

from itertools import repeat
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from stt_service.ports import RATE_HZ, Samples

BLOCK: Final = RATE_HZ // 100  # 10 ms
_NEW: Final = tuple.__new__  # half of what calling a named tuple's class costs
_ABOVE_NOISE: Final = 1.4
_BELOW_LOUDEST: Final = 0.01
_NOISE_FALLS: Final = 0.3  # the estimate follows the quieter of two windows faster, so that a breath or an
_NOISE_RISES: Final = 0.05  # unvoiced onset does not pass for noise
_BREATHER: Final = 3  # blocks of quiet that an onset may contain: the closure of a stop


class Levels(NamedTuple):
    """How loud a window is, all of it and its loudest part (root mean square)."""

    whole: float
    loudest: float


def loudness(samples: Samples) -> NDArray[np.float32]:
    """Root mean square of each whole block with the one before it, so that one crackle is not loud.

    Of samples [..., N]; the first block is alone.
    """
    blocks = samples[..., : samples.shape[-1] // BLOCK * BLOCK].reshape(*samples.shape[:-1], -1, BLOCK)
    power: NDArray[np.float32] = np.einsum("...i,...i->...", blocks, blocks)
    around = power * 2
    around[..., 1:] = power[..., 1:] + power[..., :-1]
    return np.sqrt(around / (2 * BLOCK))


def levels(windows: Samples) -> list[Levels]:
    """Those of each of the windows [B, W], in one go for all of them."""
    whole = np.sqrt(np.einsum("bi,bi->b", windows, windows) / windows.shape[1])
    pairs = zip(whole.tolist(), loudness(windows).max(axis=1).tolist(), strict=True)
    return list(map(_NEW, repeat(Levels), pairs))


class Line:
    """What is known of a call's line: how loud it is when nobody speaks, and how loud the caller is."""

    def __init__(self) -> None:
        self._noise: float | None = None
        self._loudest = 0.0

    def hear_noise(self, level: float) -> None:
        """Learn from a window without voice."""
        if self._noise is None:
            self._noise = level
        else:
            self._noise += (level - self._noise) * (_NOISE_FALLS if level < self._noise else _NOISE_RISES)

    def hear_voice(self, level: float) -> None:
        """Learn from the loudest part of a window with voice."""
        self._loudest = max(self._loudest, level)

    def forget_voice(self) -> None:
        """A new turn: it may be whispered."""
        self._loudest = 0.0

    def last_sound(self, samples: Samples) -> int:
        """The offset just after the last sound in `samples`; 0 where there is none."""
        loud = np.flatnonzero(loudness(samples) > self._threshold)
        return (int(loud[-1]) + 1) * BLOCK if len(loud) else 0

    def first_sound(self, samples: Samples) -> int:
        """The offset of the sound that goes on, but for a breather, to the end of `samples`."""
        loud = np.flatnonzero(loudness(samples) > self._threshold)
        at = len(samples) // BLOCK
        for block in reversed(loud.tolist()):
            if at - block > _BREATHER + 1:
                break
            at = block
        return at * BLOCK

    @property
    def _threshold(self) -> float:
        return max(_ABOVE_NOISE * (self._noise or 0.0), _BELOW_LOUDEST * self._loudest)
