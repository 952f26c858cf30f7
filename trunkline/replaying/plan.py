"""Which recorded call is placed when: as often as there are callers, in the recorded rhythm. No I/O."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from trunkline.recording.calls import RecordedCall


@dataclass(frozen=True, slots=True)
class Planned:
    """One call to place, `begins_s` after the replay does; `number` counts from 1."""

    number: int
    recorded: RecordedCall
    begins_s: float


def plan_calls(
    recorded: Sequence[RecordedCall], count: int, speed: float, spread_s: float
) -> tuple[Planned, ...]:
    """`count` calls, the recorded ones over and over, in the order in which they begin.

    Each begins as long after the first as it did then, divided by `speed`; copies of one call spread evenly
    over `spread_s`, so that they do not knock on the same instant.
    """
    first_us = min(call.entry.began_us for call in recorded)
    copies = -(-count // len(recorded))
    planned = []
    for number in range(count):
        copy, at = divmod(number, len(recorded))
        call = recorded[at]
        offset_s = (call.entry.began_us - first_us) / 1_000_000 / speed
        planned.append((offset_s + copy * spread_s / copies, call))
    planned.sort(key=lambda one: one[0])
    return tuple(Planned(number, call, begins_s) for number, (begins_s, call) in enumerate(planned, 1))
