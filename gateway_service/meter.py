"""Counts audio frames into the process's metrics."""

from __future__ import annotations

from contracts.telemetry import FRAMES_DROPPED, FRAMES_IN, FRAMES_OUT, STALE_EPOCH
from runtime.telemetry import Metrics


class Meter:
    """The `FrameMeter` of the process."""

    def __init__(self, metrics: Metrics) -> None:
        self._in = metrics.counter(FRAMES_IN)
        self._out = metrics.counter(FRAMES_OUT)
        self._dropped = metrics.counter(FRAMES_DROPPED)
        self._stale = metrics.counter(STALE_EPOCH)

    def came_in(self) -> None:
        """A caller's frame arrived."""
        self._in.add()

    def went_out(self, frames: int) -> None:
        """So many of an agent's frames were sent."""
        self._out.add(by=frames)

    def dropped(self, why: str) -> None:
        """A frame was dropped."""
        self._dropped.add(why)
        if why == "stale_epoch":
            self._stale.add()
