"""What the stream says of a stretch of a call, a line an event: for whoever asks why a turn was odd."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from bench.chaos.invariants import Story
from contracts.messages import Event
from contracts.wire import channel_of

_TOLD: Final = (
    "turn",
    "reply",
    "index",
    "sentences",
    "outcome",
    "heard_ms",
    "role",
    "before",
    "process",
    "gateway",
    "why",
    "reason",
)


def course(story: Story, from_us: int, until_us: int, zero_us: int) -> list[str]:
    """The events between two moments, in stream order, those that were stale marked; seconds since zero."""
    counted = {event.id for event in story.events}
    events = sorted([*story.events, *story.stale], key=lambda event: event.at_us)
    return [
        " ".join(_words(event, zero_us, stale=event.id not in counted))
        for event in events
        if from_us <= event.at_us <= until_us
    ]


def _words(event: Event[Any], zero_us: int, *, stale: bool) -> Iterator[str]:
    yield f"{(event.at_us - zero_us) / 1e6:.3f}"
    yield channel_of(event.body).name
    yield f"e{event.epoch}"
    for name in _TOLD:
        value = getattr(event.body, name, None)
        if value is not None:
            yield f"{name}={value}"
    if stale:
        yield "(stale)"
