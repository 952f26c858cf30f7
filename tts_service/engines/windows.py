"""Which stretches of a sentence to make one after the other, so that its beginning can be heard at once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple


class Window(NamedTuple):
    """Frames `start` to `stop` go in; of what comes out, the part of frames `begin` to `end` is kept."""

    start: int
    stop: int
    begin: int
    end: int


def windows(frames: int, *, first: int, largest: int, context: int) -> Iterator[Window]:
    """Cover `frames` with windows that begin with `first` kept frames and double up to `largest`.

    Each takes in `context` frames more on both sides, where there are as many. A rest shorter than `first`
    goes with the window before it.
    """
    begin, size = 0, first
    while begin < frames:
        end = begin + size if frames - begin - size >= first else frames
        yield Window(max(0, begin - context), min(frames, end + context), begin, end)
        begin, size = end, min(largest, 2 * size)
