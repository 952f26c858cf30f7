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
    heard_s: float
    capacity: int
    draining: bool


@dataclass(slots=True)
class Roster:
    """Processes by role, from their heartbeats; loads from the session's own assignments.

    A worker's own count lags by a heartbeat, in which a burst of calls would all go to one worker.
    """

    lost_after_s: float
    _heard_s: float = -math.inf
    _hearing_since_s: float = -math.inf
    _processes: dict[tuple[Role, str], _Process] = field(default_factory=dict)
    _load: dict[str, int] = field(default_factory=dict)

    @property
    def _gap_s(self) -> float:
        """So long a silence of everybody means that it is we who do not hear."""
        return self.lost_after_s / 2

    def heard(self, beat: Heartbeat, now_s: float) -> None:
        """A process said that it lives."""
        if now_s - self._heard_s >= self._gap_s:
            self._hearing_since_s = now_s
        self._heard_s = now_s
        self._processes[beat.role, beat.process] = _Process(now_s, beat.capacity, beat.draining)

    def lives(self, role: Role, process: str, now_s: float) -> bool:
        """Whether the process was heard lately."""
        known = self._processes.get((role, process))
        return known is not None and now_s - known.heard_s < self.lost_after_s

    def forget_the_lost(self, now_s: float) -> list[tuple[Role, str]]:
        """Remove and return the processes that have fallen silent."""
        lost = [key for key, known in self._processes.items() if now_s - known.heard_s >= self.lost_after_s]
        for key in lost:
            del self._processes[key]
        return lost

    def hears(self, now_s: float) -> bool:
        """Whether silence means loss: only while somebody is heard, and has been for as long as it takes."""
        return now_s - self._heard_s < self._gap_s and now_s - self._hearing_since_s >= self.lost_after_s

    def complete(self, now_s: float) -> bool:
        """Whether some worker of every role lives."""
        alive = {role for role, process in self._processes if self.lives(role, process, now_s)}
        return alive.issuperset(WORKER_ROLES)

    def capacity(self, now_s: float) -> int | None:
        """How many calls the workers can hold together: as many as the role that can hold fewest.

        None while some role has no worker. One that drains has room for the calls that it holds and no more.
        """
        by_role = dict.fromkeys(WORKER_ROLES, 0)
        seen: set[Role] = set()
        for (role, process), known in self._processes.items():
            if role in by_role and self.lives(role, process, now_s):
                seen.add(role)
                by_role[role] += min(self.load(process), known.capacity) if known.draining else known.capacity
        return min(by_role.values()) if len(seen) == len(by_role) else None

    def doubt(self, role: Role, process: str) -> None:
        """It did not take a call: pick it no more until it is heard again."""
        self._processes.pop((role, process), None)

    def pick(self, role: Role, now_s: float, *, avoid: Collection[str] = ()) -> str:
        """The live worker with the smallest share of its capacity in use; raises NoWorker or PlatformFull."""
        alive = [
            (self.load(process) / max(1, known.capacity), process, known.capacity)
            for (its_role, process), known in self._processes.items()
            if its_role is role
            and process not in avoid
            and not known.draining
            and self.lives(role, process, now_s)
        ]
        if not alive:
            raise NoWorker(
                f"no {role} worker can take a call", mend=f"start a {role} service, or wait for one"
            )
        _, process, capacity = min(alive)
        if self.load(process) >= capacity:
            raise PlatformFull(
                f"every {role} worker is at its capacity", mend=f"start another {role} service"
            )
        return process

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
