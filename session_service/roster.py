"""Which processes live, and which worker of a role has most room. No I/O; time is passed in."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass, field

from contracts.messages import Heartbeat, Role
from session_service.errors import NoWorker, PlatformFull

WORKER_ROLES = (Role.STT, Role.LLM, Role.TTS)


@dataclass(slots=True)
class _Process:
    """What is known of a process. One that is only `expected` was named by a call and not heard yet."""

    heard_s: float
    started_us: int = 0
    capacity: int = 0
    calls: int = 0
    room: int | None = None
    draining: bool = False
    expected: bool = False
    doubted: bool = False
    suspected_s: float = math.inf

    def left(self, load: int, *, urgent: bool) -> int:
        """How many calls more it can take; `urgent`: also beyond what it can do at its best."""
        left = self.capacity - load
        if self.room is None or urgent:
            return left
        return min(left, self.room - max(0, load - self.calls))


@dataclass(slots=True)
class Roster:
    """Processes by role, from their heartbeats; loads from the session's own assignments.

    A worker's own count lags by a heartbeat, in which a burst of calls would all go to one worker.
    """

    lost_after_s: float
    suspect_s: float = math.inf
    _heard_s: float = -math.inf
    _hearing_since_s: float = -math.inf
    _processes: dict[tuple[Role, str], _Process] = field(default_factory=dict)
    _load: dict[str, int] = field(default_factory=dict)

    @property
    def _gap_s(self) -> float:
        """So long a silence of everybody means that it is we who do not hear."""
        return self.lost_after_s / 2

    def heard(self, beat: Heartbeat, now_s: float) -> bool:
        """A process said that it lives; whether in a life that was not known."""
        if now_s - self._heard_s >= self._gap_s:
            self._hearing_since_s = now_s
        self._heard_s = now_s
        known = self._processes.get((beat.role, beat.process))
        self._processes[beat.role, beat.process] = _Process(
            now_s, beat.started_us, beat.capacity, beat.calls, beat.room, beat.draining
        )
        return known is None or known.expected or known.started_us != beat.started_us

    def expect(self, role: Role, process: str, now_s: float) -> None:
        """A call names this process: it is lost if it is not heard in time."""
        self._processes.setdefault((role, process), _Process(now_s, expected=True))

    def suspect(self, process: str, now_s: float) -> None:
        """Its connection is gone: it is lost unless it is heard soon."""
        for (_, its_name), known in self._processes.items():
            if its_name == process:
                known.suspected_s = min(known.suspected_s, now_s)

    def lives(self, role: Role, process: str, now_s: float) -> bool:
        """Whether the process was heard lately, or is expected to be."""
        known = self._processes.get((role, process))
        return known is not None and not self._is_lost(known, now_s)

    def life(self, role: Role, process: str) -> int:
        """When the process that is heard under this name began, by its own word; 0: not known."""
        known = self._processes.get((role, process))
        return known.started_us if known else 0

    def heard_since(self, role: Role, process: str, since_s: float) -> bool:
        """Whether the process has said since then that it lives."""
        known = self._processes.get((role, process))
        return known is not None and not known.expected and known.heard_s > since_s

    def drains(self, role: Role, process: str) -> bool:
        """Whether the process is about to stop."""
        known = self._processes.get((role, process))
        return known is not None and known.draining

    def forget_the_lost(self, now_s: float) -> list[tuple[Role, str]]:
        """Remove and return the processes that have fallen silent, or whose connection is gone for good.

        Who hears nobody, or only just heard somebody again, is the deaf one: it judges nobody.
        """
        if now_s - self._heard_s >= self._gap_s:
            return []
        hearing_s = now_s - self._hearing_since_s
        lost = [
            key
            for key, known in self._processes.items()
            if (hearing_s >= self.lost_after_s and self._is_silent(known, now_s))
            or (hearing_s >= self.suspect_s and self._is_cut_off(known, now_s))
        ]
        for key in lost:
            del self._processes[key]
        return lost

    def _is_lost(self, known: _Process, now_s: float) -> bool:
        return self._is_silent(known, now_s) or self._is_cut_off(known, now_s)

    def _is_silent(self, known: _Process, now_s: float) -> bool:
        return now_s - known.heard_s >= self.lost_after_s

    def _is_cut_off(self, known: _Process, now_s: float) -> bool:
        return now_s - known.suspected_s >= self.suspect_s

    def hears(self, now_s: float) -> bool:
        """Whether silence means loss: only while somebody is heard, and has been for as long as it takes."""
        return now_s - self._heard_s < self._gap_s and now_s - self._hearing_since_s >= self.lost_after_s

    def complete(self, now_s: float) -> bool:
        """Whether some worker of every role lives."""
        return all(self._alive(role, now_s, ()) for role in WORKER_ROLES)

    def capacity(self, now_s: float) -> int | None:
        """How many calls the workers can hold together: as many as the role that can hold fewest.

        None while some role has no worker. One that drains has room for the calls that it holds and no more.
        """
        sizes = []
        for role in WORKER_ROLES:
            alive = self._alive(role, now_s, ())
            if not alive:
                return None
            sizes.append(
                sum(
                    min(self.load(process), known.capacity) if known.draining else known.capacity
                    for process, known in alive.items()
                )
            )
        return min(sizes)

    def doubt(self, role: Role, process: str) -> None:
        """It did not take a call: pick it no more until it is heard again."""
        known = self._processes.get((role, process))
        if known is not None:
            known.doubted = True

    def pick(self, role: Role, now_s: float, *, avoid: Collection[str] = (), urgent: bool = False) -> str:
        """The live worker with the smallest share of its capacity in use; raises NoWorker or PlatformFull.

        `urgent`: a call that is under way had better be slow than over, so where nobody has room, who could
        hold it by count will do.
        """
        alive = {
            process: known
            for process, known in self._alive(role, now_s, avoid).items()
            if not (known.draining or known.doubted)
        }
        if not alive:
            raise NoWorker(
                f"no {role} worker can take a call", mend=f"start a {role} service, or wait for one"
            )
        for beyond in (False, True) if urgent else (False,):
            shares = [
                (self.load(process) / max(1, known.capacity), process)
                for process, known in alive.items()
                if known.left(self.load(process), urgent=beyond) > 0
            ]
            if shares:
                return min(shares)[1]
        raise PlatformFull(f"every {role} worker is at its capacity", mend=f"start another {role} service")

    def _alive(self, role: Role, now_s: float, avoid: Collection[str]) -> dict[str, _Process]:
        return {
            process: known
            for (its_role, process), known in self._processes.items()
            if its_role is role
            and process not in avoid
            and not known.expected
            and not self._is_lost(known, now_s)
        }

    def load(self, process: str) -> int:
        """Calls assigned to the process."""
        return self._load.get(process, 0)

    def took(self, process: str) -> None:
        """One more call is assigned to the process."""
        self._load[process] = self.load(process) + 1

    def let_go(self, process: str) -> None:
        """One call less is assigned to the process."""
        left = self.load(process) - 1
        if left > 0:
            self._load[process] = left
        else:
            self._load.pop(process, None)
