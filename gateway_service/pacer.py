"""One ticker for all calls of the process.

A timer or a task per call would cost more than the audio. The schedule is absolute, so it does not drift.
Ticks that were missed follow at once, up to a round, in which each call comes up once; after a longer stall
it goes on from now, because frames that are late already do not get better in a burst. While nobody has audio
to send nothing ticks at all.

Calls take turns in the phases of a round: were all of them served in one tick, the last would wait for all
the others, and so would what callers say meanwhile. A round is four frames long, because to send four at
once costs little more than one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, Protocol

from contracts.frames import FRAME_MS
from runtime.clock import Clock

ROUND_MS: Final = 4 * FRAME_MS
PHASES: Final = 8
PHASES_A_FRAME: Final = PHASES * FRAME_MS // ROUND_MS
PERIOD_S: Final = ROUND_MS / 1000 / PHASES


class Ticked(Protocol):
    """Something that has audio to send."""

    def tick(self) -> bool:
        """A round has passed; False when there is nothing more to send for now."""
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

    def __bool__(self) -> bool:
        """Whether anybody has something to send."""
        return bool(self._members)

    def tick(self) -> None:
        """It is the next phase's turn."""
        self.phase = (self.phase + 1) % PHASES
        turn = self._phases[self.phase]
        for one in tuple(turn):
            if not one.tick():
                del turn[one]
                self._members.remove(one)


class Pacer:
    """Calls `tick` every `period_s` while there is something to do, until cancelled. `tick` must not raise.

    What was missed is made up for, up to one round. `wanted` is set when there is something to do; `tick`
    says whether there is more.
    """

    def __init__(
        self, clock: Clock, tick: Callable[[], bool], wanted: asyncio.Event, period_s: float = PERIOD_S
    ) -> None:
        self._clock = clock
        self._tick = tick
        self._wanted = wanted
        self._period_s = period_s

    async def run(self) -> None:
        """Tick until cancelled."""
        while True:
            await self._wanted.wait()
            await self._tick_until_done()
            self._wanted.clear()

    async def _tick_until_done(self) -> None:
        due_s = self._clock.monotonic_s() + self._period_s
        while True:
            await self._clock.sleep(max(0.0, due_s - self._clock.monotonic_s()))
            late = (self._clock.monotonic_s() - due_s) // self._period_s
            if late >= PHASES:
                due_s += (late - PHASES + 1) * self._period_s
            for _ in range(1 + min(PHASES - 1, int(late))):
                due_s += self._period_s
                if not self._tick():
                    return
