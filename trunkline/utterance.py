"""What a caller says: a WAV brought to the telephone's format, and where the speech in it begins and ends."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from audio.codec import to_pcm16
from audio.errors import RateError
from audio.g711 import decode_mulaw_float, encode_mulaw
from audio.resample import resample
from audio.wav import read_wav
from trunkline.errors import BadOption

LINE_RATE_HZ: Final = 8_000
_WINDOW: Final = LINE_RATE_HZ // 100
_LOUD: Final = 10 ** (
    -40 / 20
)  # a 10 ms window is loud within 40 dB of the loudest: below lie decay and hiss


@dataclass(frozen=True, slots=True)
class Utterance:
    """Sound as it goes over the line: mu-law at 8 kHz. `speech_end` is the sample after the last loud one."""

    name: str
    mulaw: bytes
    speech_start: int
    speech_end: int

    @property
    def duration_s(self) -> float:
        """How long it takes to say."""
        return len(self.mulaw) / LINE_RATE_HZ


def of_mulaw(name: str, mulaw: bytes) -> Utterance:
    """Find where the speech in `mulaw` lies; a silent one ends where it begins."""
    start, end = _speech_in(decode_mulaw_float(mulaw))
    return Utterance(name, mulaw, start, end)


def load_utterance(path: Path) -> Utterance:
    """The WAV at `path`; raises WavError, or BadOption for a rate that is not carried."""
    samples, rate_hz = read_wav(path)
    try:
        line = resample(samples, rate_hz, LINE_RATE_HZ)
    except RateError as error:
        raise BadOption(f"{path}: {error.message}", mend=error.mend) from error
    return of_mulaw(path.stem, encode_mulaw(to_pcm16(line)))


def _speech_in(samples: NDArray[np.float32]) -> tuple[int, int]:
    windows = samples[: len(samples) // _WINDOW * _WINDOW].reshape(-1, _WINDOW)
    if not len(windows):
        return 0, 0
    loudness = np.sqrt(np.square(windows).mean(axis=1))
    peak = loudness.max()
    if peak == 0:
        return 0, 0
    loud = np.flatnonzero(loudness >= peak * _LOUD)
    return int(loud[0]) * _WINDOW, (int(loud[-1]) + 1) * _WINDOW
