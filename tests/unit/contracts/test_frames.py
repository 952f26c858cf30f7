import struct
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.errors import ErrorCode, FrameError, VersionError
from contracts.frames import (
    BYTES_PER_SAMPLE,
    FRAME_MS,
    HEADER_BYTES,
    MAX_PAYLOAD_BYTES,
    RATES_HZ,
    VERSION,
    Codec,
    Frame,
    FrameFlag,
    decode_frame,
    encode_frame,
)

VERSION_AT, CODEC_AT, RATE_AT, LENGTH_AT = 1, 2, slice(4, 6), slice(10, 12)
FRAME = Frame(
    Codec.PCM16,
    16_000,
    sequence=7,
    at_us=1_767_258_000_000_000,
    payload=bytes(range(64)),
    epoch=3,
    reply=2,
    sentence=1,
    flags=FrameFlag.SENTENCE_END,
)
U8, U16, U32, U64 = (st.integers(min_value=0, max_value=2**bits - 1) for bits in (8, 16, 32, 64))


@st.composite
def frames(draw: st.DrawFn) -> Frame:
    codec = draw(st.sampled_from(Codec))
    size = BYTES_PER_SAMPLE[codec]
    return Frame(
        codec,
        draw(st.sampled_from(sorted(RATES_HZ))),
        sequence=draw(U32),
        at_us=draw(U64),
        payload=draw(st.binary(max_size=400)) * size,
        epoch=draw(U16),
        reply=draw(U32),
        sentence=draw(U16),
        flags=FrameFlag(draw(U8)),
    )


def changed(at: int | slice, value: bytes | int) -> bytes:
    data = bytearray(encode_frame(FRAME))
    if isinstance(at, slice):
        assert isinstance(value, bytes)
        data[at] = value
    else:
        assert isinstance(value, int)
        data[at] = value
    return bytes(data)


@settings(deadline=None)
@given(frames())
def test_a_frame_comes_back_as_it_was(frame: Frame) -> None:
    data = encode_frame(frame)
    back = decode_frame(data)

    assert back == frame
    assert isinstance(back.codec, Codec)
    assert isinstance(back.flags, FrameFlag)
    assert len(data) == HEADER_BYTES + len(frame.payload)


def test_the_header_is_laid_out_as_documented() -> None:
    data = encode_frame(FRAME)

    assert HEADER_BYTES == 28
    assert data[:4] == bytes([0x54, VERSION, 3, 1])
    assert struct.unpack("!HHHH", data[4:12]) == (16_000, 3, 1, 64)
    assert struct.unpack("!IIQ", data[12:28]) == (7, 2, 1_767_258_000_000_000)
    assert data[28:] == bytes(range(64))


def test_a_sequence_starts_again_after_32_bits() -> None:
    assert decode_frame(encode_frame(FRAME._replace(sequence=2**32 + 5))).sequence == 5


@pytest.mark.parametrize(
    ("codec", "rate_hz", "size"),
    [(Codec.MULAW, 8_000, 160), (Codec.ALAW, 8_000, 160), (Codec.PCM16, 16_000, 640)],
)
def test_twenty_milliseconds_are_what_carriers_send(codec: Codec, rate_hz: int, size: int) -> None:
    assert Frame(codec, rate_hz, 0, 0, bytes(size)).duration_ms == FRAME_MS


@pytest.mark.parametrize("size", [0, 1, HEADER_BYTES - 1])
def test_too_few_bytes_are_no_frame(size: int) -> None:
    with pytest.raises(FrameError, match=f"{size} bytes that are not an audio frame"):
        decode_frame(encode_frame(FRAME)[:size])


@pytest.mark.parametrize("junk", [b"\x00" * 100, b'{"event": "media", "media": {"payload": "AAAA"}}'])
def test_what_does_not_begin_like_a_frame_is_none(junk: bytes) -> None:
    with pytest.raises(FrameError, match=f"{len(junk)} bytes that are not an audio frame") as refused:
        decode_frame(junk)

    assert refused.value.code is ErrorCode.BAD_FRAME
    assert refused.value.mend


@pytest.mark.parametrize("version", [0, VERSION + 1, 255])
def test_a_version_not_known_here_is_named(version: int) -> None:
    with pytest.raises(VersionError, match=f"version {version}; this build reads {VERSION}") as refused:
        decode_frame(changed(VERSION_AT, version))

    assert refused.value.code is ErrorCode.UNKNOWN_VERSION


@pytest.mark.parametrize(
    ("data", "has"), [(encode_frame(FRAME)[:-1], 63), (encode_frame(FRAME) + b"\x00", 65)]
)
def test_a_cut_or_joined_frame_is_noticed(data: bytes, has: int) -> None:
    with pytest.raises(FrameError, match=f"says 64 payload bytes and has {has}"):
        decode_frame(data)


def test_a_wrong_length_field_is_noticed() -> None:
    with pytest.raises(FrameError, match="says 66 payload bytes and has 64"):
        decode_frame(changed(LENGTH_AT, struct.pack("!H", 66)))


@pytest.mark.parametrize("codec", [0, 4, 255])
def test_an_unknown_codec_is_named(codec: int) -> None:
    with pytest.raises(FrameError, match=f"codec {codec} at 16000 Hz is not known"):
        decode_frame(changed(CODEC_AT, codec))


def test_an_unknown_rate_is_named() -> None:
    with pytest.raises(FrameError, match="codec 3 at 11025 Hz is not known"):
        decode_frame(changed(RATE_AT, struct.pack("!H", 11_025)))


def test_half_a_sample_is_refused() -> None:
    data = changed(LENGTH_AT, struct.pack("!H", 63))[:-1]

    with pytest.raises(FrameError, match="63 payload bytes are not whole samples"):
        decode_frame(data)


def test_a_frame_may_not_be_longer_than_a_carrier_would_send() -> None:
    size = MAX_PAYLOAD_BYTES + 2
    data = changed(LENGTH_AT, struct.pack("!H", size))[:HEADER_BYTES] + bytes(size)

    with pytest.raises(FrameError, match=f"{size} bytes is too large"):
        decode_frame(data)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("epoch", -1),
        ("epoch", 2**16),
        ("sentence", -1),
        ("sentence", 2**16),
        ("reply", -1),
        ("reply", 2**32),
        ("at_us", -1),
        ("at_us", 2**64),
        ("at_us", 1.5),
        ("flags", 256),
    ],
)
def test_a_field_out_of_range_is_refused_on_the_way_out(field: str, value: Any) -> None:
    with pytest.raises(FrameError, match="out of range"):
        encode_frame(FRAME._replace(**{field: value}))


@pytest.mark.parametrize(
    ("frame", "fault"),
    [
        (FRAME._replace(payload=bytes(MAX_PAYLOAD_BYTES + 2)), "too large"),
        (FRAME._replace(payload=bytes(63)), "not whole samples"),
        (FRAME._replace(rate_hz=44_100), "at 44100 Hz is not known"),
        (FRAME._replace(codec=cast("Codec", 9)), "codec 9 at"),
    ],
)
def test_what_could_not_be_decoded_is_not_encoded(frame: Frame, fault: str) -> None:
    with pytest.raises(FrameError, match=fault):
        encode_frame(frame)


@settings(deadline=None)
@given(st.binary(max_size=200), st.booleans())
def test_junk_never_raises_anything_else(junk: bytes, like_a_frame: bool) -> None:
    data = bytes([0x54, VERSION]) + junk if like_a_frame else junk
    try:
        frame = decode_frame(data)
    except (FrameError, VersionError):
        return

    assert encode_frame(frame) == data
