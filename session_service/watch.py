"""Calls that nobody would miss: ghosts without media, and those whose gateway is gone."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from contracts.messages import EndReason, Role
from runtime.clock import Clock
from session_service.lifecycle import Lifecycle
from session_service.roster import Roster


class Watch:
    """Force-ends ghost calls and ends the calls of lost gateways."""

    def __init__(self, lifecycle: Lifecycle, roster: Roster, clock: Clock, ghost_after_s: float) -> None:
        self._lifecycle = lifecycle
        self._roster = roster
        self._clock = clock
        self._ghost_after_ms = ghost_after_s * 1000
        self._started_s = clock.monotonic_s()
        self._ghosts: set[str] = set()

    def note_quiet(self, quiet_ms: Mapping[str, int]) -> None:
        """A gateway says for how long each of these callers has sent no media."""
        self._ghosts |= {call for call, quiet in quiet_ms.items() if quiet >= self._ghost_after_ms}

    async def sweep(self) -> None:
        """Force-end the ghosts, and end the calls of gateways that have fallen silent.

        A gateway that was never heard since this process started is given as long as one that fell silent.
        """
        ghosts, self._ghosts = self._ghosts, set()
        await asyncio.gather(*(self._lifecycle.force_end(call, EndReason.GHOST) for call in ghosts))
        now_s = self._clock.monotonic_s()
        self._roster.forget_the_lost(now_s)
        if now_s - self._started_s < self._roster.lost_after_s:
            return
        for gateway in {call.gateway for call in self._lifecycle.active()}:
            if not self._roster.lives(Role.GATEWAY, gateway, now_s):
                await self._lifecycle.gateway_lost(gateway)
