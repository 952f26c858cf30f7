"""WAV files: read what people have, write what they can open.

The standard library's `wave` reads no mu-law, A-law or float and takes a cut file for a whole one, so the
chunks are walked here. Everything comes out as one channel of float32.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from audio import g711
from audio.errors import WavError

_PCM, _FLOAT, _ALAW, _MULAW, _EXTENSIBLE = 1, 3, 6, 7, 0xFFFE  # format tags
_UNKNOWN_SIZE: Final = 0xFFFF_FFFF  # written by programs that stream into a pipe: the data goes on to the end
_MEND: Final = "convert it first, for example: ffmpeg -i IN -ac 1 -ar 8000 -c:a pcm_s16le OUT.wav"

PathLike: TypeAlias = Path | str


class Wav(NamedTuple):
    """One channel of float32 in [-1, 1] and its rate."""

    samples: NDArray[np.float32]
    rate_hz: int


class _Format(NamedTuple):
    tag: int
    channels: int
    rate_hz: int
    bits: int


def read_wav(path: PathLike) -> Wav:
    """The sound in `path`, stereo mixed down to one channel.

    Reads PCM of 8, 16, 24 and 32 bits, float of 32 and 64, mu-law and A-law. Raises WavError, which names the
    file, where it cannot be opened, is not a WAV, is cut short, holds no sound or is compressed otherwise.
    """
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise WavError(
            f"{path} cannot be read: {error.strerror}", mend="check the name and its rights"
        ) from error
    if len(content) < 12 or content[:4] != b"RIFF" or content[8:12] != b"WAVE":
        what = "is empty" if not content else "is not a WAV file"
        raise WavError(f"{path} {what}", mend=_MEND)
    layout, data = _chunks(path, content)
    samples = _samples(path, layout, data)
    if not len(samples):
        raise WavError(f"{path} holds no sound", mend="record it again: the data chunk is empty")
    return Wav(samples.reshape(-1, layout.channels).mean(axis=1, dtype=np.float32), layout.rate_hz)


def _chunks(path: PathLike, content: bytes) -> tuple[_Format, bytes]:
    layout: _Format | None = None
    at = 12
    while at + 8 <= len(content):
        name, size = struct.unpack_from("<4sI", content, at)
        at += 8
        if name == b"data" and size == _UNKNOWN_SIZE:
            size = len(content) - at
        if at + size > len(content):
            raise WavError(
                f"{path} is cut short: its {name.decode('latin-1').strip()} chunk says {size} bytes "
                f"and {len(content) - at} are there",
                mend="copy or record it again",
            )
        chunk = content[at : at + size]
        if name == b"fmt ":
            layout = _format(path, chunk)
        elif name == b"data":
            if layout is None:
                raise WavError(f"{path} has sound before it says in which format", mend=_MEND)
            return layout, chunk
        at += size + size % 2
    raise WavError(
        f"{path} has no data chunk: it is cut short or holds no sound", mend="copy or record it again"
    )


def _format(path: PathLike, chunk: bytes) -> _Format:
    if len(chunk) < 16:
        raise WavError(f"{path} has a format chunk of {len(chunk)} bytes; 16 is the least", mend=_MEND)
    tag, channels, rate_hz, _, _, bits = struct.unpack_from("<HHIIHH", chunk)
    if tag == _EXTENSIBLE and len(chunk) >= 26:
        (tag,) = struct.unpack_from("<H", chunk, 24)  # the first two bytes of the sub-format's GUID
    if channels not in (1, 2):
        raise WavError(f"{path} has {channels} channels; one or two can be read", mend=_MEND)
    if not rate_hz:
        raise WavError(f"{path} says a rate of 0 Hz", mend=_MEND)
    return _Format(tag, channels, rate_hz, bits)


def _pcm24(data: bytes) -> NDArray[np.float32]:
    wide = np.zeros((len(data) // 3, 4), np.uint8)
    wide[:, 1:] = np.frombuffer(data, np.uint8).reshape(-1, 3)
    samples: NDArray[np.float32] = np.multiply(wide.view("<i4")[:, 0], 2**-31, dtype=np.float32)
    return samples


_DECODERS: Final[dict[tuple[int, int], Callable[[bytes], NDArray[np.float32]]]] = {
    (_PCM, 8): lambda data: (
        np.subtract(np.frombuffer(data, np.uint8), 128, dtype=np.float32) * np.float32(2**-7)
    ),
    (_PCM, 16): lambda data: np.multiply(np.frombuffer(data, "<i2"), 2**-15, dtype=np.float32),
    (_PCM, 24): _pcm24,
    (_PCM, 32): lambda data: np.multiply(np.frombuffer(data, "<i4"), 2**-31, dtype=np.float32),
    (_FLOAT, 32): lambda data: np.frombuffer(data, "<f4").astype(np.float32),
    (_FLOAT, 64): lambda data: np.frombuffer(data, "<f8").astype(np.float32),
    (_ALAW, 8): g711.decode_alaw_float,
    (_MULAW, 8): g711.decode_mulaw_float,
}


def _samples(path: PathLike, layout: _Format, data: bytes) -> NDArray[np.float32]:
    decoder = _DECODERS.get((layout.tag, layout.bits))
    if decoder is None:
        raise WavError(
            f"{path} is coded in a way that is not read here (format {layout.tag}, {layout.bits} bits)",
            mend=_MEND,
        )
    if len(data) % (layout.channels * layout.bits // 8):
        raise WavError(f"{path} ends inside a sample", mend="copy or record it again")
    samples = decoder(data)
    if not np.isfinite(samples).all():
        raise WavError(f"{path} holds samples that are not numbers", mend=_MEND)
    return samples


def write_wav(path: PathLike, pcm: NDArray[np.int16], rate_hz: int) -> None:
    """Write one channel of 16-bit samples."""
    _write(path, pcm, 1, rate_hz)


def write_stereo_wav(path: PathLike, left: NDArray[np.int16], right: NDArray[np.int16], rate_hz: int) -> None:
    """Write two channels of 16-bit samples; the shorter is filled up with silence."""
    both = np.zeros((max(len(left), len(right)), 2), np.int16)
    both[: len(left), 0] = left
    both[: len(right), 1] = right
    _write(path, both, 2, rate_hz)


def _write(path: PathLike, pcm: NDArray[np.int16], channels: int, rate_hz: int) -> None:
    data = pcm.astype("<i2").tobytes()
    block = 2 * channels
    header = struct.pack("<HHIIHH", _PCM, channels, rate_hz, rate_hz * block, block, 16)
    riff = struct.pack(
        "<4sI4s4sI16s4sI", b"RIFF", 36 + len(data), b"WAVE", b"fmt ", 16, header, b"data", len(data)
    )
    try:
        Path(path).write_bytes(riff + data)
    except OSError as error:
        raise WavError(
            f"{path} cannot be written: {error.strerror}", mend="choose a folder you may write"
        ) from error
