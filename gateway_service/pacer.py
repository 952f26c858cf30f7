"""One ticker for all calls of the process.

A timer or a task per call would cost more than the audio. The schedule is absolute, so it does not drift;
after a stall it goes on from now, because frames that are late already do not get better in a burst.

Calls take turns in the phases of a round: were all of them served in one tick, the last would wait for all
the others, and so would what callers say meanwhile. A round is two frames long, because to send two at once
costs hardly more than one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

from contracts.frames import FRAME_MS
from runtime.clock import Clock

ROUND_MS: Final = 2 * FRAME_MS
PHASES: Final = 8
PERIOD_S: Final = ROUND_MS / 1000 / PHASES


class Ticked(Protocol):
    """Something that has audio to send."""

    def tick(self) -> bool:
        """20 ms have passed; False when there is nothing more to send for now."""
        ...


class Rota:
    """Who is ticked in which phase; each once in `PHASES` ticks, until there is nothing more to send."""

    def __init__(self) -> None:
        self._phases: list[dict[Ticked, None]] = [{} for _ in range(PHASES)]
        self._members: set[Ticked] = set()
        self.phase = 0

    def join(self, one: Ticked) -> None:
        """Tick this one from now on, in the phase that has the fewest."""
        if one not in self._members:
            self._members.add(one)
            min(self._phases, key=len)[one] = None

    def tick(self) -> None:
        """It is the next phase's turn."""
        self.phase = (self.phase + 1) % PHASES
        turn = self._phases[self.phase]
        for one in tuple(turn):
            if not one.tick():
                del turn[one]
                self._members.remove(one)


class Pacer:
    """Calls `tick` every `period_s` until cancelled. `tick` must not raise."""

    def __init__(self, clock: Clock, tick: Callable[[], None], period_s: float = PERIOD_S) -> None:
        self._clock = clock
        self._tick = tick
        self._period_s = period_s

    async def run(self) -> None:
        """Tick until cancelled."""
        due_s = self._clock.monotonic_s()
        while True:
            due_s += self._period_s
            wait_s = due_s - self._clock.monotonic_s()
            if wait_s < -self._period_s:
                due_s -= wait_s
            await self._clock.sleep(max(0.0, wait_s))
            self._tick()
