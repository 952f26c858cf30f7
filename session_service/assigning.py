"""Finding workers that take a call. Speaks to them through the Floor port only."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping

from contracts.errors import TrunklineError
from contracts.messages import Assign, Role
from runtime.clock import Clock
from session_service.call import Call
from session_service.errors import NoWorker, PlatformFull
from session_service.ports import Floor
from session_service.roster import WORKER_ROLES, Roster

log = logging.getLogger(__name__)


class Assigner:
    """Picks a worker of every role, hands the call over, and replaces who does not take it.

    Each round of asking is an epoch, in which all workers are told who the others are: a worker that was
    only slow and takes the call late is not listened to.
    """

    def __init__(self, roster: Roster, floor: Floor, clock: Clock, tries: int) -> None:
        self._roster = roster
        self._floor = floor
        self._clock = clock
        self._tries = tries

    async def assign(self, call: Call, write_down: Callable[[Call], Awaitable[None]]) -> None:
        """Return once a worker of every role has the call; raises NoWorker or PlatformFull.

        `write_down` comes before each round: of a call that nobody wrote down, a worker could be left with
        it for ever when this process dies. Whatever comes of it, `call.workers` are to be let go of later.
        """
        self._pick(call)
        tried: dict[Role, set[str]] = {role: set() for role in WORKER_ROLES}
        for left in reversed(range(self._tries)):
            await write_down(call)
            failures = await self._ask_all(call)
            if not failures:
                return
            for role, error in failures.items():
                log.warning("%s did not take %s: %s", call.workers[role], call.id, error)
                if not left or not error.retryable:
                    raise _nobody_took_it(role, error) from error
            for role, error in failures.items():
                tried[role].add(call.workers[role])
                await self._replace(call, role, tried[role], error)
            call.epoch += 1
            call.since = dict.fromkeys(Role, call.epoch)

    def hold(self, call: Call) -> None:
        """The processes of a call that was assigned before this one started: they are to be heard."""
        now_s = self._clock.monotonic_s()
        self._roster.expect(Role.GATEWAY, call.gateway, now_s)
        for role, process in call.workers.items():
            self._roster.expect(role, process, now_s)
            self._roster.took(process)

    def swap(self, call: Call, role: Role, process: str) -> None:
        """From now on the call takes up room at `process`, and no more at who has it now."""
        self._roster.let_go(call.workers[role])
        self._take(call, role, process)

    def free(self, call: Call) -> None:
        """The call takes up no room any more."""
        for process in call.workers.values():
            self._roster.let_go(process)

    async def release(self, call: Call) -> None:
        """Tell the workers to let go; does not wait for them."""
        for role, process in call.workers.items():
            await self._floor.release(role, process, call.ref, call.epoch)

    async def ask(self, assignments: Mapping[Role, Assign]) -> dict[Role, TrunklineError]:
        """Ask the workers of these roles at once and wait for every answer; who did not take it, and why."""
        answers = await asyncio.gather(
            *(self._floor.assign(role, assign.workers[role], assign) for role, assign in assignments.items()),
            return_exceptions=True,
        )
        failures: dict[Role, TrunklineError] = {}
        for role, answer in zip(assignments, answers, strict=True):
            if isinstance(answer, TrunklineError):
                failures[role] = answer
            elif isinstance(answer, BaseException):
                raise answer
        return failures

    def _pick(self, call: Call) -> None:
        now_s = self._clock.monotonic_s()
        for role in WORKER_ROLES:
            self._take(call, role, self._roster.pick(role, now_s))

    def _take(self, call: Call, role: Role, process: str) -> None:
        call.workers[role] = process
        call.lives[role] = self._roster.life(role, process)
        self._roster.took(process)

    async def _ask_all(self, call: Call) -> dict[Role, TrunklineError]:
        return await self.ask(dict.fromkeys(WORKER_ROLES, call.assignment()))

    async def _replace(self, call: Call, role: Role, tried: set[str], error: TrunklineError) -> None:
        process = call.workers[role]
        self._roster.doubt(role, process)
        try:
            replacement = self._roster.pick(role, self._clock.monotonic_s(), avoid=tried)
        except (NoWorker, PlatformFull):
            raise _nobody_took_it(role, error) from error
        self.swap(call, role, replacement)
        await self._floor.release(role, process, call.ref, call.epoch)  # it may be taking the call right now


def _nobody_took_it(role: Role, error: TrunklineError) -> NoWorker:
    return NoWorker(
        f"no {role} worker took the call: {error.message}", mend=error.mend, retryable=error.retryable
    )
