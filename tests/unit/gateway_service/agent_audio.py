"""Agent frames as tts sends them, for the tests of playout and of calls."""

from __future__ import annotations

from collections.abc import Iterator

from contracts.frames import Codec, Frame, FrameFlag

FRAME_US = 20_000


def payload(number: int) -> bytes:
    """160 bytes that differ from frame to frame."""
    return bytes([number % 256]) * 160


def in_frames(sound: bytes) -> list[bytes]:
    """What was sent in one message, cut into the frames that it was made of."""
    return [sound[at : at + 160] for at in range(0, len(sound), 160)]


def frame(
    reply: int, sentence: int = 0, number: int = 0, *, epoch: int = 1, flags: FrameFlag = FrameFlag.NONE
) -> Frame:
    """One 20 ms frame."""
    return Frame(Codec.MULAW, 8_000, number, 0, payload(number), epoch, reply, sentence, flags)


def reply_end(reply: int, sentences: int = 1, *, epoch: int = 1) -> Frame:
    """The empty frame after the last sentence; where the next sentence would have stood."""
    return Frame(Codec.MULAW, 8_000, 0, 0, b"", epoch, reply, sentences, FrameFlag.REPLY_END)


def sentence(reply: int, index: int, ms: int, *, epoch: int = 1) -> Iterator[Frame]:
    """All frames of one sentence, its end on the last."""
    count = ms // 20
    for number in range(count):
        last = number == count - 1
        flags = FrameFlag.SENTENCE_END if last else FrameFlag.NONE
        yield frame(reply, index, number, epoch=epoch, flags=flags)


def whole_reply(reply: int, *lengths_ms: int, epoch: int = 1) -> Iterator[Frame]:
    """A reply of sentences of these lengths."""
    for index, ms in enumerate(lengths_ms):
        yield from sentence(reply, index, ms, epoch=epoch)
    yield reply_end(reply, len(lengths_ms), epoch=epoch)
