"""Strikes at the processes of a running platform: kills them, freezes them, and knows when they are back."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from trunkline.readiness import ReadyCheck

_LOOK_S: Final = 0.05
_BACK_WITHIN_S: Final = 60.0


class Blow(StrEnum):
    """What is done to a process. A frozen one is alive to the network and does nothing."""

    KILL = "kill"
    FREEZE = "freeze"


@dataclass(frozen=True, slots=True)
class Strike:
    """One blow: `at_us` is the wall clock; `back_s` how long until the process did its work again."""

    process: str
    blow: Blow
    at_us: int
    back_s: float

    @property
    def service(self) -> str:
        """The service of the process."""
        return service_of(self.process)


def service_of(process: str) -> str:
    """The service of a process: `stt` for `stt-2`, `analytics` for `analytics`."""
    return process.rpartition("-")[0] or process


class NotBack(RuntimeError):
    """A process that was struck did not come back."""


class Monkey:
    """Strikes one process at a time and waits until it is back, so that each role has somebody left.

    `pids` are the processes that run now, by name; `ready` says of one whether it takes work.
    """

    def __init__(
        self, pids: Callable[[], Mapping[str, int]], ready: Mapping[str, ReadyCheck], frozen_s: float
    ) -> None:
        self._pids = pids
        self._ready = ready
        self._frozen_s = frozen_s

    async def strike(self, process: str, blow: Blow) -> Strike:
        """Strike, and return when the process is back; raises NotBack."""
        pid, at_us, began_s = self._pids()[process], time.time_ns() // 1000, time.monotonic()
        if blow is Blow.KILL:
            os.kill(pid, signal.SIGKILL)
            await self._replaced(process, pid)
        else:
            await self._freeze(pid)
        await self._until_ready(process)
        return Strike(process, blow, at_us, round(time.monotonic() - began_s, 2))

    async def _freeze(self, pid: int) -> None:
        os.kill(pid, signal.SIGSTOP)
        try:
            await asyncio.sleep(self._frozen_s)
        finally:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

    async def _replaced(self, process: str, pid: int) -> None:
        await self._until(lambda: self._pids().get(process, pid) != pid, process)

    async def _until_ready(self, process: str) -> None:
        deadline_s = time.monotonic() + _BACK_WITHIN_S
        while not await self._ready[process].passes():
            if time.monotonic() > deadline_s:
                raise NotBack(f"{process} was not ready within {_BACK_WITHIN_S:g} s of its return")
            await asyncio.sleep(_LOOK_S)

    async def _until(self, true: Callable[[], bool], process: str) -> None:
        deadline_s = time.monotonic() + _BACK_WITHIN_S
        while not true():
            if time.monotonic() > deadline_s:
                raise NotBack(f"{process} was not started again within {_BACK_WITHIN_S:g} s")
            await asyncio.sleep(_LOOK_S)


def plan_strikes(
    processes: Sequence[str], strikes: int, frozen_share: float, rng: random.Random
) -> list[tuple[str, Blow]]:
    """Whom to strike, and how: every process as often as any other, in random order.

    A gateway is only killed: one that is frozen keeps its callers' sockets open, and no carrier could know.
    """
    victims = [processes[index % len(processes)] for index in range(strikes)]
    rng.shuffle(victims)
    return [(victim, _how(victim, frozen_share, rng)) for victim in victims]


def _how(victim: str, frozen_share: float, rng: random.Random) -> Blow:
    frozen = rng.random() < frozen_share and service_of(victim) != "gateway"
    return Blow.FREEZE if frozen else Blow.KILL
