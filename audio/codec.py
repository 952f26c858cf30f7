"""The payload of a frame to samples and back, by the codec its header names (feature T8).

Samples are 16-bit in native byte order, or float32 in [-1, 1); PCM16 payloads are little-endian, as WAV files
and the carriers that send linear audio have them.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from audio import g711
from audio.errors import CodecError
from contracts.frames import Codec

_FULL_SCALE: Final = np.float32(32768)


def to_float(pcm: NDArray[np.int16]) -> NDArray[np.float32]:
    """16-bit samples as float32 in [-1, 1)."""
    return pcm.astype(np.float32) / _FULL_SCALE


def to_pcm16(samples: NDArray[np.float32]) -> NDArray[np.int16]:
    """Float samples as 16-bit, rounded to nearest; what is too loud is clipped, never wrapped around."""
    loud: NDArray[np.float32] = np.rint(samples * _FULL_SCALE)
    return loud.clip(-32768, 32767).astype(np.int16)


def _decode_pcm16(payload: bytes) -> NDArray[np.int16]:
    if len(payload) % 2:
        raise CodecError(
            f"a PCM16 payload of {len(payload)} bytes is not whole samples",
            mend="cut audio at sample borders",
        )
    return np.frombuffer(payload, "<i2").astype(np.int16)


def decode(codec: Codec, payload: bytes) -> NDArray[np.int16]:
    """The samples in `payload`; raises CodecError where it does not fit the codec."""
    match codec:
        case Codec.MULAW:
            return g711.decode_mulaw(payload)
        case Codec.ALAW:
            return g711.decode_alaw(payload)
        case Codec.PCM16:
            return _decode_pcm16(payload)


def decode_float(codec: Codec, payload: bytes) -> NDArray[np.float32]:
    """The samples in `payload` as float32 in [-1, 1); raises CodecError where it does not fit the codec."""
    match codec:
        case Codec.MULAW:
            return g711.decode_mulaw_float(payload)
        case Codec.ALAW:
            return g711.decode_alaw_float(payload)
        case Codec.PCM16:
            return to_float(_decode_pcm16(payload))


def encode(codec: Codec, pcm: NDArray[np.int16]) -> bytes:
    """`pcm` as a payload of `codec`."""
    match codec:
        case Codec.MULAW:
            return g711.encode_mulaw(pcm)
        case Codec.ALAW:
            return g711.encode_alaw(pcm)
        case Codec.PCM16:
            return pcm.astype("<i2").tobytes()
