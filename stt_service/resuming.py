"""What a replacement must know of a call that has gone on before: which turns are decided, and which is open.

It follows from the record alone. What the caller said since comes again from the gateway, which keeps it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from contracts.messages import Event, SpeechDismissed, SpeechStarted, TurnEnded

_RUN_UP_US: Final = 1_500_000
"""So much before a turn that was announced: for the detector to settle, and to know how loud the line is."""

_TURNS: Final = 3
"""So many decided turns are read, and the last of them counts: events may have been stored a little late."""


@dataclass(frozen=True, slots=True)
class Resumption:
    """Where to go on. `decided` is the last turn that was, 0 for none; `open` is the start of the next turn,
    if that was announced. The caller's audio is wanted from after `after_us`: from where the speech of the
    one ended or, where that is later, shortly before the start of the other; the silence between is not.

    Times are the gateway's clock.
    """

    decided: int = 0
    after_us: int = 0
    open: Event[SpeechStarted] | None = None


def resumption(history: Iterable[Event[Any]]) -> Resumption:
    """What follows from a call's record, given without what is stale."""
    started: dict[int, Event[SpeechStarted]] = {}
    ends_us: dict[int, int] = {}
    for event in history:
        match event.body:
            case SpeechStarted(turn=turn):
                started[turn] = event
            case TurnEnded(turn=turn, speech_ended_us=ended_us):
                ends_us[turn] = ended_us
            case SpeechDismissed(turn=turn, audio_ms=audio_ms):
                began = started.get(turn)
                ends_us[turn] = began.body.started_us + round(audio_ms * 1000) if began else 0
    decided = max(ends_us, default=0)
    after_us, announced = max(ends_us.values(), default=0), started.get(decided + 1)
    if announced is not None:
        after_us = max(after_us, announced.body.started_us - _RUN_UP_US)
    return Resumption(decided, after_us, announced)


def is_enough(history: Sequence[Event[Any]]) -> bool:
    """Whether `resumption` gives of this end of a record what it gives of the whole."""
    started = {event.body.turn for event in history if isinstance(event.body, SpeechStarted)}
    decided = {event.body.turn for event in history if isinstance(event.body, TurnEnded | SpeechDismissed)}
    return len(started & decided) >= _TURNS
