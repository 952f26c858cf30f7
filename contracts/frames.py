"""The binary audio frame: what travels on `audio.*`, 28 bytes of header and the carrier's own payload.

JSON would cost more than the audio itself. Decode to samples happens at the edge of the model, not here.
A message holds one frame, or several of the same call back to back in their order: whoever has more than one
to send at once sends fewer messages.

Header, network byte order:

    0  u8   magic 0x54        8  u16  sentence (0-based)     20  u64  at_us, gateway clock
    1  u8   version           10 u16  payload length
    2  u8   codec             12 u32  sequence
    3  u8   flags             16 u32  reply (0 for caller audio)
    4  u16  rate, Hz
    6  u16  epoch of the assignment that sent it
"""

from __future__ import annotations

import struct
from enum import IntEnum, IntFlag
from typing import Final, NamedTuple

from contracts.errors import FrameError, VersionError

MAGIC: Final = 0x54
VERSION: Final = 1
FRAME_MS: Final = 20
MAX_PAYLOAD_BYTES: Final = 48_000 * 2 * 60 // 1000
_NEW: Final = tuple.__new__  # half of what calling a named tuple's class costs
_HEADER: Final = struct.Struct("!BBBBHHHHIIQ")
_PACK: Final = _HEADER.pack
_UNPACK: Final = _HEADER.unpack_from
HEADER_BYTES: Final = _HEADER.size


class Codec(IntEnum):
    """How the payload is coded; one channel always."""

    MULAW = 1
    ALAW = 2
    PCM16 = 3


BYTES_PER_SAMPLE: Final[dict[int, int]] = {Codec.MULAW: 1, Codec.ALAW: 1, Codec.PCM16: 2}
RATES_HZ: Final = frozenset({8_000, 16_000, 24_000, 48_000})


class FrameFlag(IntFlag):
    """What a frame means beside its sound."""

    NONE = 0
    SENTENCE_END = 1
    REPLY_END = 2


class Frame(NamedTuple):
    """One audio frame. `at_us` is the gateway's clock when the caller's frame came in; 0 for agent audio."""

    codec: Codec
    rate_hz: int
    sequence: int
    at_us: int
    payload: bytes
    epoch: int = 0
    reply: int = 0
    sentence: int = 0
    flags: FrameFlag = FrameFlag.NONE

    @property
    def duration_ms(self) -> float:
        """How long the payload sounds."""
        return len(self.payload) * 1000 / (self.rate_hz * BYTES_PER_SAMPLE[self.codec])


# To look up a member costs a tenth of calling its class, and frames come by the ten thousand a second.
_CODECS: Final[dict[int, Codec]] = {int(codec): codec for codec in Codec}
_FLAGS: Final = tuple(FrameFlag(bits) for bits in range(256))


def caller_frame(sequence: int, at_us: int, payload: bytes, epoch: int) -> Frame:
    """A caller's frame in mu-law at 8 kHz, as telephones send it: fifty a second and call."""
    return _NEW(Frame, (Codec.MULAW, 8_000, sequence, at_us, payload, epoch, 0, 0, FrameFlag.NONE))


def encode_frame(frame: Frame) -> bytes:
    """Header and payload in one bytes object; raises FrameError for what `decode_frame` would refuse."""
    codec, rate_hz, sequence, at_us, payload, epoch, reply, sentence, flags = frame
    length = len(payload)
    if rate_hz not in RATES_HZ or length > MAX_PAYLOAD_BYTES or codec is not Codec.MULAW:
        _check_coding(codec, rate_hz, length)
    try:
        header = _PACK(
            MAGIC,
            VERSION,
            codec,
            flags,
            rate_hz,
            epoch,
            sentence,
            length,
            sequence & 0xFFFF_FFFF,
            reply,
            at_us,
        )
    except struct.error as error:
        raise FrameError(
            f"a frame field is out of range: {error}", mend="check flags, epoch, sentence, reply and at_us"
        ) from error
    return header + payload


def decode_frame(data: bytes) -> Frame:
    """The one frame in `data`; raises FrameError for junk and for several frames, VersionError for a version
    not known here.
    """
    frame, ends = _take(data, 0)
    if ends != len(data):
        raise _wrong_length(ends - HEADER_BYTES, len(data) - HEADER_BYTES)
    return frame


def decode_frames(data: bytes) -> list[Frame]:
    """The frames in a message, one or more; raises as `decode_frame` does, and then none of them counts."""
    length = len(data)
    frame, ends = _take(data, 0)
    frames = [frame]
    while ends < length:
        frame, ends = _take(data, ends)
        frames.append(frame)
    return frames


def _take(data: bytes, at: int) -> tuple[Frame, int]:
    """The frame that begins at `at`, and where it ends."""
    begins = at + HEADER_BYTES
    if len(data) < begins or data[at] != MAGIC:
        raise FrameError(
            f"{len(data) - at} bytes that are not an audio frame",
            mend="encode frames with contracts.frames.encode_frame",
        )
    _, version, code, flags, rate_hz, epoch, sentence, length, sequence, reply, at_us = _UNPACK(data, at)
    if version != VERSION:
        raise VersionError(
            f"audio frame of version {version}; this build reads {VERSION}", mend="upgrade the older service"
        )
    ends = begins + length
    if ends > len(data):
        raise _wrong_length(length, len(data) - begins)
    codec = _CODECS.get(code)
    if codec is not Codec.MULAW or rate_hz not in RATES_HZ or length > MAX_PAYLOAD_BYTES:
        _check_coding(code, rate_hz, length)
    payload = data[begins:ends]
    fields = (codec or Codec(code), rate_hz, sequence, at_us, payload, epoch, reply, sentence, _FLAGS[flags])
    return _NEW(Frame, fields), ends


def _wrong_length(said: int, has: int) -> FrameError:
    return FrameError(
        f"the frame says {said} payload bytes and has {has}",
        mend="the frame was cut or joined on its way; send whole frames",
    )


def _check_coding(codec: int, rate_hz: int, length: int) -> None:
    if codec not in BYTES_PER_SAMPLE or rate_hz not in RATES_HZ:
        raise FrameError(
            f"codec {int(codec)} at {rate_hz} Hz is not known",
            mend="use mu-law, A-law or PCM16 at 8, 16, 24 or 48 kHz",
        )
    if length > MAX_PAYLOAD_BYTES:
        raise FrameError(
            f"a frame payload of {length} bytes is too large",
            mend=f"send at most 60 ms, {MAX_PAYLOAD_BYTES} bytes, in a frame",
        )
    if length % BYTES_PER_SAMPLE[codec]:
        raise FrameError(f"{length} payload bytes are not whole samples", mend="cut frames at sample borders")
