"""Kept caller audio on its way to replacements of stt workers: for all calls, and so much a tick.

A worker that dies leaves hundreds of calls, each with seconds of audio that another is to hear. Sent at once
they would push live frames of other calls out of the queues on the way, and one another. What a caller says
meanwhile is sent behind what was kept, by the same way, so it overtakes nothing.
"""

from __future__ import annotations

from collections import deque
from typing import Final, Protocol

from runtime.wire_speed import Gatherer

FRAMES_A_CALL: Final = 16
"""A tick is 20 ms: sixteen times as fast as they were said. The worker's own queue holds 50."""
FRAMES_IN_ALL: Final = 400


class CatchingUp(Protocol):
    """A call whose kept audio is sent again."""

    def resend(self, frames: int) -> bool:
        """Send up to so many frames, oldest first; False once none is left."""
        ...


class Resending:
    """The calls that are catching up, served in turn."""

    def __init__(self, frames: Gatherer) -> None:
        self._frames = frames
        self._calls: deque[CatchingUp] = deque()

    def __bool__(self) -> bool:
        """Whether any call is catching up."""
        return bool(self._calls)

    def begin(self, call: CatchingUp) -> None:
        """Send this call's kept audio from the next tick on."""
        if call not in self._calls:
            self._calls.append(call)

    def tick(self) -> None:
        """20 ms have passed. The queue to the bus is filled by half at most: the rest is for live frames."""
        spare = min(FRAMES_IN_ALL, self._frames.room - self._frames.limit // 2)
        for _ in range(len(self._calls)):
            if spare <= 0:
                return
            call = self._calls.popleft()
            if call.resend(min(FRAMES_A_CALL, spare)):
                self._calls.append(call)
            spare -= FRAMES_A_CALL
