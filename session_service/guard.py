"""What the leader does to the world, each time only while it leads: wrappers around its ports.

Whoever is deposed in the midst of opening or ending a call is stopped at the next thing it would do, and
what it has in memory by then is thrown away with its term.
"""

from __future__ import annotations

from contracts.identities import CallRef
from contracts.messages import (
    ActiveCall,
    Assign,
    CallDetached,
    CallEnded,
    CallReassigned,
    CallRejected,
    EndReason,
    Role,
)
from session_service.leadership import Mandate
from session_service.ports import CallStore, Chronicle, Floor, Herald, Word


class LeadersFloor:
    """A Floor that raises NotLeading once the term is over."""

    def __init__(self, floor: Floor, mandate: Mandate) -> None:
        self._floor = floor
        self._mandate = mandate

    async def assign(self, role: Role, process: str, assign: Assign) -> None:
        """Hand a call to a worker."""
        await self._mandate.demand()
        await self._floor.assign(role, process, assign)

    async def release(self, role: Role, process: str, ref: CallRef, epoch: int) -> None:
        """Tell a worker to let go, unless the call is for the next leader to release."""
        if await self._mandate.holds():
            await self._floor.release(role, process, ref, epoch)

    async def hang_up(self, ref: CallRef, reason: EndReason) -> None:
        """Have the gateway end the leg."""
        await self._mandate.demand()
        await self._floor.hang_up(ref, reason)


class LeadersStore:
    """A CallStore that raises NotLeading once the term is over; what is under way then, the fence stops."""

    def __init__(self, store: CallStore, mandate: Mandate) -> None:
        self._store = store
        self._mandate = mandate

    async def put(self, key: str, value: ActiveCall) -> None:
        """Keep the call under its id."""
        await self._mandate.demand()
        await self._store.put(key, value)

    async def delete(self, key: str) -> None:
        """Forget the call."""
        await self._mandate.demand()
        await self._store.delete(key)

    async def all(self) -> dict[str, ActiveCall]:
        """Every call that is kept, by id."""
        return await self._store.all()


class LeadersChronicle:
    """A Chronicle that raises NotLeading once the term is over."""

    def __init__(self, chronicle: Chronicle, mandate: Mandate) -> None:
        self._chronicle = chronicle
        self._mandate = mandate

    async def ended(self, ref: CallRef, body: CallEnded) -> None:
        """The call is over."""
        await self._mandate.demand()
        await self._chronicle.ended(ref, body)

    async def rejected(self, ref: CallRef, body: CallRejected) -> None:
        """The call was refused."""
        await self._mandate.demand()
        await self._chronicle.rejected(ref, body)

    async def words(self, ref: CallRef) -> tuple[Word, ...]:
        """How far the call has come as far as the record knows."""
        return await self._chronicle.words(ref)


class LeadersHerald:
    """A Herald that raises NotLeading once the term is over."""

    def __init__(self, herald: Herald, mandate: Mandate) -> None:
        self._herald = herald
        self._mandate = mandate

    async def reassigned(self, ref: CallRef, body: CallReassigned) -> None:
        """Another process speaks for a role from here on."""
        await self._mandate.demand()
        await self._herald.reassigned(ref, body)

    async def detached(self, ref: CallRef, body: CallDetached) -> None:
        """The call has lost its leg, and waits for it."""
        await self._mandate.demand()
        await self._herald.detached(ref, body)
