"""ITU-T G.711 mu-law and A-law to and from 16-bit samples, by table.

The telephone network speaks nothing else, and Python lost its own codec with 3.13. Every function is one
table look-up per sample; a byte is always in its table, so to floats it is looked up without that check
(`mode="wrap"`), in half of the time. Decoding gives the Recommendation's values, 14-bit (mu-law) and 13-bit
(A-law), scaled to 16 bits. Encoding follows its decision values; a sample that lies on one goes where the
ITU's reference software (G.191) puts it, which for negative samples is one code nearer to zero.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

_SAMPLES: Final = (
    np.arange(1 << 16).astype(np.uint16).view(np.int16).astype(np.int32)
)  # as an index reads them
_MAGNITUDES: Final = np.where(_SAMPLES < 0, ~_SAMPLES, _SAMPLES)


def _mulaw_values() -> NDArray[np.int16]:
    code = ~np.arange(256, dtype=np.int32)
    magnitude = ((((code & 15) << 3) + 132) << ((code >> 4) & 7)) - 132
    return np.where(code & 0x80, -magnitude, magnitude).astype(np.int16)


def _alaw_values() -> NDArray[np.int16]:
    code = np.arange(256, dtype=np.int32) ^ 0x55
    segment = (code >> 4) & 7
    step = ((code & 15) << 4) + 8
    magnitude = np.where(segment == 0, step, (step + 256) << np.maximum(segment - 1, 0))
    return np.where(code & 0x80, magnitude, -magnitude).astype(np.int16)


def _mulaw_codes() -> NDArray[np.uint8]:
    biased = np.minimum((_MAGNITUDES >> 2) + 33, 0x1FFF)
    segment = np.searchsorted(64 << np.arange(7), biased, side="right")
    code = (segment << 4) | ((biased >> (segment + 1)) & 15)
    codes: NDArray[np.int64] = np.where(_SAMPLES < 0, 0x7F - code, 0xFF - code)
    return codes.astype(np.uint8)


def _alaw_codes() -> NDArray[np.uint8]:
    magnitude = _MAGNITUDES >> 4
    segment = np.searchsorted(16 << np.arange(7), magnitude, side="right")
    code = (segment << 4) | ((magnitude >> np.maximum(segment - 1, 0)) & 15)
    return (np.where(_SAMPLES < 0, code, code | 0x80) ^ 0x55).astype(np.uint8)


_MULAW_TO_PCM: Final = _mulaw_values()
_ALAW_TO_PCM: Final = _alaw_values()
_MULAW_TO_FLOAT: Final = _MULAW_TO_PCM.astype(np.float32) / np.float32(32768)
_ALAW_TO_FLOAT: Final = _ALAW_TO_PCM.astype(np.float32) / np.float32(32768)
_PCM_TO_MULAW: Final = _mulaw_codes()
_PCM_TO_ALAW: Final = _alaw_codes()


def decode_mulaw(payload: bytes) -> NDArray[np.int16]:
    """16-bit samples, one for each byte."""
    return _MULAW_TO_PCM[np.frombuffer(payload, np.uint8)]


def decode_mulaw_float(payload: bytes) -> NDArray[np.float32]:
    """Samples in [-1, 1), one for each byte, without the way over integers."""
    return _MULAW_TO_FLOAT.take(np.frombuffer(payload, np.uint8), mode="wrap")


def encode_mulaw(pcm: NDArray[np.int16]) -> bytes:
    """One byte for each 16-bit sample."""
    return _PCM_TO_MULAW[pcm.view(np.uint16)].tobytes()


def decode_alaw(payload: bytes) -> NDArray[np.int16]:
    """16-bit samples, one for each byte."""
    return _ALAW_TO_PCM[np.frombuffer(payload, np.uint8)]


def decode_alaw_float(payload: bytes) -> NDArray[np.float32]:
    """Samples in [-1, 1), one for each byte, without the way over integers."""
    return _ALAW_TO_FLOAT.take(np.frombuffer(payload, np.uint8), mode="wrap")


def encode_alaw(pcm: NDArray[np.int16]) -> bytes:
    """One byte for each 16-bit sample."""
    return _PCM_TO_ALAW[pcm.view(np.uint16)].tobytes()
