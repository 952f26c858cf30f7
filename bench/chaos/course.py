"""What the stream says of a call, a line an event: for whoever asks what was odd, or broke a promise."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from bench.chaos.invariants import Story, role_of
from contracts.messages import CallReassigned, Event
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


def whole_course(story: Story, zero_us: int) -> list[str]:
    """Every event of the call in the order in which the stream stored it, with its place there, the process
    that speaks for its role in its epoch, where a reassignment tells that, and what it followed from.
    """
    counted = {event.id for event in story.events}
    events = sorted([*story.events, *story.stale], key=lambda event: story.places[event.id])
    return [
        " ".join(
            [
                f"#{story.places[event.id]}",
                *_words(event, zero_us, stale=event.id not in counted),
                *_origin(event, story),
            ]
        )
        for event in events
    ]


def _origin(event: Event[Any], story: Story) -> Iterator[str]:
    if process := _speaker(event, story):
        yield f"by={process}"
    if event.cause:
        yield f"cause=#{story.places.get(event.cause, '?')}"


def _speaker(event: Event[Any], story: Story) -> str:
    """Who had the event's role in its epoch; empty where the role was never given to another, or has none."""
    moves = [body for body in story.bodies(CallReassigned) if body.role is role_of(event)]
    if not event.epoch or not moves:
        return ""
    given = [body.process for body in moves if body.epoch <= event.epoch]
    return given[-1] if given else moves[0].before


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
