"""How many more calls a worker can take and still be in time: from what its engines did in the last seconds.

Two rules. Who waits longer than the budget says that there is no room, whatever the reason. Otherwise the
calls that are held show what a call costs, and there is room for as many more as fill the engines to `_FULL`:
above that, waiting grows faster than the work.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable
from typing import Final

from runtime.clock import Clock

_FULL: Final = 0.7
_WORK_WINDOW_S: Final = 30.0
_WAIT_WINDOW_S: Final = 10.0
_LEAST_WAITS: Final = 5
_NEARLY_ALL: Final = 0.95
_MOST: Final = 1_000_000
_ROUNDING: Final = 1e-9


class RoomMeter:
    """One engine's `slots`, and the longest that nearly all who ask for one may wait: `budget_s`."""

    def __init__(self, slots: int, budget_s: float, clock: Clock) -> None:
        self._slots = slots
        self._budget_s = budget_s
        self._clock = clock
        self._begun_s = clock.monotonic_s()
        self._work: deque[tuple[float, float]] = deque()
        self._waits: deque[tuple[float, float]] = deque()

    def waited(self, seconds: float) -> None:
        """Somebody got their turn after so long."""
        self._note(self._waits, seconds, _WAIT_WINDOW_S)

    def worked(self, seconds: float) -> None:
        """A slot was busy for so long, until now."""
        self._note(self._work, seconds, _WORK_WINDOW_S)

    @property
    def utilisation(self) -> float:
        """The part of the engine that was busy in the last 30 s."""
        self._sweep(self._work, _WORK_WINDOW_S)
        seen_s = min(_WORK_WINDOW_S, self._clock.monotonic_s() - self._begun_s)
        return sum(seconds for _, seconds in self._work) / (self._slots * seen_s) if seen_s > 0 else 0.0

    @property
    def wait_s(self) -> float:
        """What 95 of 100 waited at most in the last 10 s; 0 while too few have waited to tell."""
        self._sweep(self._waits, _WAIT_WINDOW_S)
        if len(self._waits) < _LEAST_WAITS:
            return 0.0
        ordered = sorted(seconds for _, seconds in self._waits)
        return ordered[math.ceil(_NEARLY_ALL * len(ordered)) - 1]

    def room(self, calls: int) -> int | None:
        """How many more calls than the `calls` that are held; None where there is nothing to tell it from."""
        if self.wait_s > self._budget_s:
            return 0
        busy = self.utilisation
        if not calls or not busy:
            return None
        return min(_MOST, max(0, math.floor((_FULL - busy) / busy * calls + _ROUNDING)))

    def _note(self, series: deque[tuple[float, float]], seconds: float, window_s: float) -> None:
        series.append((self._clock.monotonic_s(), seconds))
        self._sweep(series, window_s)

    def _sweep(self, series: deque[tuple[float, float]], window_s: float) -> None:
        oldest_s = self._clock.monotonic_s() - window_s
        while series and series[0][0] < oldest_s:
            series.popleft()


def least_room(meters: Iterable[RoomMeter], calls: int) -> int | None:
    """The room of a worker with several engines: that of the fullest."""
    return min((room for meter in meters if (room := meter.room(calls)) is not None), default=None)
