"""The caller's side of a recorded call, put together again from its frames."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from audio.codec import decode_float, to_pcm16
from audio.g711 import encode_mulaw
from audio.resample import resample
from contracts.frames import Codec, Frame
from trunkline.utterance import LINE_RATE_HZ

_SILENCE: Final = b"\xff"
_MOST_MISSING: Final = 50 * 3600


@dataclass(frozen=True, slots=True)
class CallerAudio:
    """All that the caller sent, as mu-law at 8 kHz from the first frame on.

    `began_us` is the gateway's clock at that frame; `missing` counts frames that the recording lacks and
    that are silence here.
    """

    mulaw: bytes
    began_us: int
    missing: int


def join_frames(frames: Iterable[Frame]) -> CallerAudio | None:
    """The audio of caller frames in any order; None where there is none.

    A frame sent twice, as after a worker was replaced, counts once. Time is what the sequence says: a line
    that stalled delivers late and then all at once. A number far beyond all others is junk, and left out.
    """
    by_number: dict[int, Frame] = {}
    for frame in frames:
        if frame.payload and frame.sequence:
            by_number.setdefault(frame.sequence, frame)
    for number in sorted(by_number, reverse=True):
        if number - len(by_number) <= _MOST_MISSING:
            break
        del by_number[number]
    if not by_number:
        return None
    numbers = range(1, max(by_number) + 1)
    first = by_number[min(by_number)]
    joined, length = bytearray(), len(_line(first))
    for number in numbers:
        frame_here = by_number.get(number)
        joined += _line(frame_here) if frame_here else _SILENCE * length
    began_us = first.at_us - (first.sequence - 1) * length * 1_000_000 // LINE_RATE_HZ
    return CallerAudio(bytes(joined), max(0, began_us), len(numbers) - len(by_number))


def _line(frame: Frame) -> bytes:
    if frame.codec is Codec.MULAW and frame.rate_hz == LINE_RATE_HZ:
        return frame.payload
    samples = resample(decode_float(frame.codec, frame.payload), frame.rate_hz, LINE_RATE_HZ)
    return encode_mulaw(to_pcm16(samples))
