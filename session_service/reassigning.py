"""Gives calls to other workers, when theirs is lost or drains. Speaks to the world through its ports only.

A role that is to be moved is a want of its call. Wants are met in moves: one move of a call at a time, which
takes up all that can be met, and only so many moves at once. What cannot be met now waits for the next
heartbeat.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Final

from contracts.errors import TrunklineError
from contracts.messages import CallReassigned, Replaced, Role
from runtime.clock import Clock
from session_service.assigning import Assigner
from session_service.call import Call, Want
from session_service.errors import NoWorker, PlatformFull
from session_service.ports import Floor, Herald
from session_service.records import Records
from session_service.roster import Roster
from session_service.states import CallState
from session_service.table import CallTable

log = logging.getLogger(__name__)

Spawn = Callable[[Coroutine[Any, Any, None], str], object]

_TRY_AGAIN_S: Final = 0.2


@dataclass(frozen=True, slots=True)
class Pace:
    """How many calls are moved at once, how many of them off who drains, and how long one may wait."""

    at_once: int
    drains_at_once: int
    wait_s: float


@dataclass(frozen=True, slots=True)
class _Move:
    role: Role
    before: str
    process: str
    epoch: int
    want: Want


class Reassigner:
    """Moves calls from worker to worker: epoch, KV, `call.reassigned`, and only then the assignment."""

    def __init__(
        self,
        table: CallTable,
        roster: Roster,
        assigner: Assigner,
        records: Records,
        *,
        floor: Floor,
        herald: Herald,
        clock: Clock,
        spawn: Spawn,
        pace: Pace,
    ) -> None:
        self._table = table
        self._roster = roster
        self._assigner = assigner
        self._records = records
        self._floor = floor
        self._herald = herald
        self._clock = clock
        self._spawn = spawn
        self._pace = pace
        self._wanting: dict[str, Call] = {}
        self._under_way: dict[str, bool] = {}

    # -- what is wanted ------------------------------------------------------------------------------

    def lost(self, role: Role, process: str) -> None:
        """Nobody speaks under this name any more."""
        for call in self._table.held_by(role, process):
            self._want(call, role, Replaced.LOST)
        self.pump()

    def reborn(self, role: Role, process: str) -> None:
        """The process lives: the calls that it took in another life it does not hold any more."""
        life = self._roster.life(role, process)
        for call in self._table.held_by(role, process):
            if call.lives.get(role, 0) not in (0, life):
                self._want(call, role, Replaced.LOST)
        self.pump()

    def drains(self, role: Role, process: str) -> None:
        """The process is about to stop, and waits until it holds nothing."""
        if self._roster.load(process):
            for call in self._table.held_by(role, process):
                if role not in call.wants:
                    self._want(call, role, Replaced.DRAINING)
        self.pump()

    def unconfirmed(self, call: Call) -> None:
        """A session before this one was moving roles of the call: nobody may have taken them."""
        for role in call.moving - {Role.GATEWAY}:
            self._want(call, role, Replaced.REFUSED)

    def overdue(self) -> list[Call]:
        """The calls that have waited for a worker as long as they may."""
        before_s = self._clock.monotonic_s() - self._pace.wait_s
        return [
            call
            for call in self._wanting.values()
            if call.is_live()
            and call.id not in self._under_way
            and any(
                want.why is not Replaced.DRAINING and want.since_s <= before_s for want in call.wants.values()
            )
        ]

    def _want(self, call: Call, role: Role, why: Replaced) -> None:
        """Ask for another process; who asked before has waited since then, unless it only drained."""
        asked = call.wants.get(role)
        if asked is None or asked.why is Replaced.DRAINING or asked.process != call.workers[role]:
            call.wants[role] = Want(call.workers[role], why, self._clock.monotonic_s())
        self._wanting[call.id] = call

    # -- moving --------------------------------------------------------------------------------------

    def pump(self) -> None:
        """Begin what can be begun: calls that lack a worker before those whose worker drains."""
        if not self._wanting:
            return
        room = {
            (role, urgent): self._has_room(role, urgent)
            for role in {role for call in self._wanting.values() for role in call.wants}
            for urgent in (False, True)
        }
        for call in sorted(self._wanting.values(), key=_only_drains):
            if not call.is_live() or not call.wants:
                del self._wanting[call.id]
            elif self._may_begin(call) and any(
                room[role, _is_urgent(want)] for role, want in call.wants.items()
            ):
                self._under_way[call.id] = _only_drains(call)
                self._spawn(self._move(call), "reassign")

    def _may_begin(self, call: Call) -> bool:
        if call.id in self._under_way or call.state is CallState.OPENING:
            return False
        if len(self._under_way) >= self._pace.at_once:
            return False
        return not _only_drains(call) or sum(self._under_way.values()) < self._pace.drains_at_once

    def _has_room(self, role: Role, urgent: bool) -> bool:
        try:
            self._roster.pick(role, self._clock.monotonic_s(), urgent=urgent)
        except (NoWorker, PlatformFull):
            return False
        return True

    async def _move(self, call: Call) -> None:
        """Move what can be moved of one call. More is begun afterwards, unless nothing could be."""
        moves: list[_Move] = []
        try:
            moves = self._begin(call) if call.is_live() else []
            if moves and await self._recorded(call):
                await self._hand_over(call, moves)
        finally:
            self._under_way.pop(call.id, None)
        if moves:
            self.pump()

    def _begin(self, call: Call) -> list[_Move]:
        """Decide, at one go: what others see of the call is whole at every moment."""
        moves: list[_Move] = []
        for role, want in list(call.wants.items()):
            before = call.workers[role]
            if want.process != before:
                del call.wants[role]  # it has been moved since
                continue
            try:
                process = self._choose(role, want)
            except (NoWorker, PlatformFull):
                continue
            del call.wants[role]
            self._assigner.swap(call, role, process)
            call.moving.add(role)
            moves.append(_Move(role, before, process, call.begin_epoch(role), want))
        return moves

    def _choose(self, role: Role, want: Want) -> str:
        """Who drains is left to its calls where nobody else has room."""
        return self._roster.pick(
            role, self._clock.monotonic_s(), avoid=want.refused_by, urgent=_is_urgent(want)
        )

    async def _recorded(self, call: Call) -> bool:
        """Write the call down, however long it takes; whether it is still ours to move then."""
        while call.is_live():
            try:
                await self._records.keep(call)
            except TrunklineError as error:
                log.warning("%s cannot be moved until that is recorded: %s", call.id, error)
                if not error.retryable:
                    return False
                await self._clock.sleep(_TRY_AGAIN_S)
            else:
                return call.is_live()
        return False

    async def _hand_over(self, call: Call, moves: list[_Move]) -> None:
        """Say who speaks from here on, then ask them; a call that ends meanwhile is left to its end."""
        for move in moves:
            if call.is_live():
                body = CallReassigned(
                    role=move.role,
                    process=move.process,
                    epoch=move.epoch,
                    before=move.before,
                    why=move.want.why,
                )
                await self._herald.reassigned(call.ref, body)
        assignments = {
            move.role: call.assignment(move.epoch, resumed=True) for move in moves if call.is_live()
        }
        failures = await self._assigner.ask(assignments)
        for move in moves:
            if call.is_live():
                await self._settle(call, move, failures.get(move.role))
            else:
                await self._floor.release(move.role, move.process, call.ref, move.epoch)
            if move.before != move.process:
                await self._floor.release(move.role, move.before, call.ref, move.epoch - 1)
        if call.is_live() and not call.moving:
            await self._confirm(call)

    async def _settle(self, call: Call, move: _Move, error: TrunklineError | None) -> None:
        """The role is taken, or wanted again; who did not take it may be taking it right now."""
        if error is None:
            if move.role not in call.wants:
                call.moving.discard(move.role)
            return
        log.warning("%s did not take %s over from %s: %s", move.process, call.id, move.before, error)
        self._roster.doubt(move.role, move.process)
        refused_by = set(move.want.refused_by)
        if not error.retryable:
            refused_by.add(move.process)
        since_s = move.want.since_s if _is_urgent(move.want) else self._clock.monotonic_s()
        call.wants[move.role] = Want(move.process, Replaced.REFUSED, since_s, refused_by)
        self._wanting[call.id] = call
        await self._floor.release(move.role, move.process, call.ref, move.epoch)

    async def _confirm(self, call: Call) -> None:
        """Write down that it is held. Where that fails, a session after this one moves it once more."""
        try:
            await self._records.keep(call)
        except TrunklineError as error:
            log.warning("that %s was moved is not recorded: %s", call.id, error)


def _is_urgent(want: Want) -> bool:
    """Whether nobody holds the call now."""
    return want.why is not Replaced.DRAINING


def _only_drains(call: Call) -> bool:
    return not any(_is_urgent(want) for want in call.wants.values())
