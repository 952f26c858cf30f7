"""Calls that nobody would miss: ghosts without media, those never answered, those whose gateway is gone."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from contracts.messages import EndReason, Role
from runtime.clock import Clock
from session_service.lifecycle import Lifecycle
from session_service.roster import Roster


class Watch:
    """Force-ends ghost calls and calls that were never answered; ends the calls of lost gateways."""

    def __init__(self, lifecycle: Lifecycle, roster: Roster, clock: Clock, ghost_after_s: float) -> None:
        self._lifecycle = lifecycle
        self._roster = roster
        self._clock = clock
        self._ghost_after_s = ghost_after_s
        self._ghosts: set[str] = set()

    def note_quiet(self, gateway: str, quiet_ms: Mapping[str, int]) -> None:
        """A gateway says for how long each of its callers has sent no media."""
        limit_ms = self._ghost_after_s * 1000
        self._ghosts |= {
            call
            for call, quiet in quiet_ms.items()
            if quiet >= limit_ms and self._lifecycle.gateway_of(call) == gateway
        }

    async def sweep(self) -> None:
        """Look after every call once; raises a retryable TrunklineError where the record cannot be read.

        A session that hears nobody, or only just heard somebody again, is the deaf one: it judges no gateway.
        """
        ghosts, self._ghosts = self._ghosts, set()
        await asyncio.gather(*(self._lifecycle.force_end(call, EndReason.GHOST) for call in ghosts))
        now_s = self._clock.monotonic_s()
        if not self._roster.hears(now_s):
            return
        self._roster.forget_the_lost(now_s)
        for gateway in self._lifecycle.gateways():
            if not self._roster.lives(Role.GATEWAY, gateway, now_s):
                await self._lifecycle.gateway_lost(gateway)
        await self._lifecycle.end_unanswered(self._ghost_after_s)
