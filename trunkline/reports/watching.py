"""Somebody who looks once a second how a run is going, and what it takes of the machine."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from runtime.clock import Clock
from trunkline.reports.processes import usages
from trunkline.reports.samples import Sample

LOOKS_EVERY_S: Final = 1.0

Progress = Callable[[Sample], None]


class Going(NamedTuple):
    """How a run goes: calls that are up, how often agents have spoken, calls that broke."""

    calls: int
    spurts: int
    broken: int


class Watch:
    """Keeps a sample of every look at what `going` says and at the processes `pids`, by name."""

    def __init__(
        self,
        pids: Mapping[str, int],
        clock: Clock,
        going: Callable[[], Going],
        progress: Progress = lambda _: None,
    ) -> None:
        self.samples: list[Sample] = []
        self.zero_s = clock.monotonic_s()
        self._pids = pids
        self._clock = clock
        self._going = going
        self._progress = progress

    def begin(self) -> None:
        """The run begins now: take the first look."""
        self.zero_s = self._clock.monotonic_s()
        self.look()

    async def run(self) -> None:
        """Look once a second until cancelled."""
        while True:
            await self._clock.sleep(LOOKS_EVERY_S)
            self.look()

    def look(self) -> None:
        """Take a look."""
        found, going = usages(self._pids), self._going()  # ten short reads: less than a millisecond
        sample = Sample(
            at_s=round(self._clock.monotonic_s() - self.zero_s, 3),
            calls=going.calls,
            spurts=going.spurts,
            broken=going.broken,
            cpu_s={name: one.cpu_s for name, one in found.items()},
            memory_mb={name: round(one.memory_mb, 2) for name, one in found.items()},
        )
        self.samples.append(sample)
        self._progress(sample)
