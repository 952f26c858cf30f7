from __future__ import annotations

import numpy as np

from audio.g711 import decode_mulaw, encode_alaw, encode_mulaw
from contracts.frames import Codec, Frame
from trunkline.recording.caller_audio import join_frames

AT_US = 1_767_225_600_000_000


def frame(
    sequence: int, payload: bytes | None = None, codec: Codec = Codec.MULAW, rate_hz: int = 8_000
) -> Frame:
    at_us = AT_US + (sequence - 1) * 20_000
    return Frame(codec, rate_hz, sequence, at_us, payload if payload is not None else bytes([sequence]) * 160)


def test_frames_are_put_in_order_and_each_counts_once() -> None:
    audio = join_frames([frame(2), frame(1), frame(3), frame(2, b"\x09" * 160)])
    assert audio is not None
    assert audio.mulaw == b"\x01" * 160 + b"\x02" * 160 + b"\x03" * 160
    assert (audio.began_us, audio.missing) == (AT_US, 0)


def test_what_is_missing_is_silence_so_that_the_rest_keeps_its_time() -> None:
    audio = join_frames([frame(3), frame(5)])
    assert audio is not None
    silence = b"\xff" * 160
    assert audio.mulaw == silence * 2 + b"\x03" * 160 + silence + b"\x05" * 160
    assert (audio.began_us, audio.missing) == (AT_US, 3)


def test_other_codecs_come_out_as_the_line_has_them() -> None:
    tone = (np.sin(np.arange(160) / 4) * 8_000).astype(np.int16)
    by_line = decode_mulaw(encode_mulaw(tone)).astype(np.float64)
    alaw = join_frames([frame(1, encode_alaw(tone), Codec.ALAW)])
    wide = join_frames([frame(1, np.repeat(tone, 2).astype("<i2").tobytes(), Codec.PCM16, 16_000)])
    assert alaw is not None
    assert wide is not None
    assert np.abs(decode_mulaw(alaw.mulaw) - by_line).max() < 600
    assert len(wide.mulaw) == 160


def test_junk_neither_fills_the_memory_nor_counts() -> None:
    audio = join_frames([frame(1), Frame(Codec.MULAW, 8_000, 0xFFFFFFFF, 0, b"x"), frame(2, b"")])
    assert audio is not None
    assert audio.mulaw == b"\x01" * 160
    assert join_frames([]) is None
    assert join_frames([frame(1, b"")]) is None
