from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from audio import g711
from audio.codec import decode, decode_float, encode, to_float, to_pcm16
from audio.errors import CodecError
from contracts.errors import ErrorCode
from contracts.frames import Codec

PCM = np.array([0, 1, -1, 1000, -32768, 32767], np.int16)


def test_pcm16_is_little_endian() -> None:
    assert encode(Codec.PCM16, np.array([0x0102], np.int16)) == b"\x02\x01"
    assert decode(Codec.PCM16, b"\x02\x01").tolist() == [0x0102]


@pytest.mark.parametrize("codec", Codec)
def test_encoding_what_was_decoded_changes_nothing(codec: Codec) -> None:
    once = decode(codec, encode(codec, PCM))
    assert np.array_equal(decode(codec, encode(codec, once)), once)
    assert np.array_equal(decode_float(codec, encode(codec, PCM)) * 32768, once)


def test_each_law_is_its_own() -> None:
    assert encode(Codec.MULAW, PCM) == g711.encode_mulaw(PCM)
    assert encode(Codec.ALAW, PCM) == g711.encode_alaw(PCM)


@pytest.mark.parametrize("decoder", [decode, decode_float])
def test_half_a_sample_is_refused(decoder: Callable[[Codec, bytes], NDArray[Any]]) -> None:
    with pytest.raises(CodecError, match="3 bytes is not whole samples") as caught:
        decoder(Codec.PCM16, b"abc")
    assert caught.value.code is ErrorCode.UNSUPPORTED_CODEC
    assert not caught.value.retryable


def test_loud_floats_are_clipped_not_wrapped() -> None:
    assert to_pcm16(np.array([2, -2, 1, 0.5], np.float32)).tolist() == [32767, -32768, 32767, 16384]
    assert np.array_equal(to_pcm16(to_float(PCM)), PCM)
