"""Notices what nobody says: processes that are gone, ghosts without media, calls that nobody answers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping

from contracts.messages import EndReason, Heartbeat, Role
from runtime.clock import Clock
from session_service.lifecycle import Lifecycle
from session_service.reassigning import Reassigner, Spawn
from session_service.records import Records
from session_service.roster import Roster
from session_service.table import CallTable


class Watch:
    """Hears heartbeats, tells who is lost, and force-ends the calls that nobody would miss.

    `look` is to be called some ten times a second, `sweep` some two.
    """

    def __init__(
        self,
        table: CallTable,
        lifecycle: Lifecycle,
        reassigner: Reassigner,
        *,
        records: Records,
        roster: Roster,
        clock: Clock,
        spawn: Spawn,
        ghost_after_s: float,
    ) -> None:
        self._table = table
        self._lifecycle = lifecycle
        self._reassigner = reassigner
        self._records = records
        self._roster = roster
        self._clock = clock
        self._spawn = spawn
        self._ghost_after_s = ghost_after_s
        self._ghosts: set[str] = set()

    def heard(self, beat: Heartbeat) -> None:
        """A process lives; what it held in another life is lost, and what waited for it may go on."""
        reborn = self._roster.heard(beat, self._clock.monotonic_s())
        if beat.role is Role.GATEWAY:
            self.note_quiet(beat.process, beat.quiet_ms)
            if reborn and beat.started_us:
                work = self._lifecycle.gateway_lost(beat.process, life=beat.started_us)
                self._spawn(work, "gateway lost")
            return
        if reborn:
            self._reassigner.reborn(beat.role, beat.process)
        if beat.draining:
            self._reassigner.drains(beat.role, beat.process)
        self._reassigner.pump()

    def disconnected(self, processes: Iterable[str]) -> None:
        """NATS says that their connection is gone: perhaps they are."""
        for process in processes:
            self._roster.suspect(process, self._clock.monotonic_s())

    def note_quiet(self, gateway: str, quiet_ms: Mapping[str, int]) -> None:
        """A gateway says for how long each of its callers has sent no media."""
        limit_ms = self._ghost_after_s * 1000
        self._ghosts |= {
            call
            for call, quiet in quiet_ms.items()
            if quiet >= limit_ms and self._lifecycle.gateway_of(call) == gateway
        }

    def look(self) -> None:
        """Find out who is lost, and see to what they held."""
        for role, process in self._roster.forget_the_lost(self._clock.monotonic_s()):
            self._lost(role, process)

    def _lost(self, role: Role, process: str) -> None:
        if role is Role.GATEWAY:
            self._spawn(self._lifecycle.gateway_lost(process), "gateway lost")
        else:
            self._reassigner.lost(role, process)

    async def sweep(self) -> None:
        """Look after every call once; raises a retryable TrunklineError where the record cannot be read."""
        ghosts, self._ghosts = self._ghosts, set()
        await asyncio.gather(*(self._lifecycle.force_end(call, EndReason.GHOST) for call in ghosts))
        await self._records.strike_the_rest()
        self._reassigner.pump()
        now_s = self._clock.monotonic_s()
        if not self._roster.hears(now_s):
            return
        for role, process in self._table.processes():
            self._roster.expect(role, process, now_s)  # nobody whom a call needs is left unwatched
        await self._lifecycle.end_overdue()
        await self._lifecycle.end_unanswered(self._ghost_after_s)
