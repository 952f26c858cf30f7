"""What the session core needs of the world."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from contracts.identities import CallRef
from contracts.messages import (
    ActiveCall,
    Assign,
    CallDetached,
    CallEnded,
    CallReassigned,
    CallRejected,
    CallStarted,
    EndReason,
    LeaderLease,
    LegEnded,
    Role,
)


class CallStore(Protocol):
    """Where active calls outlive this process. Writes return once stored, or raise a TrunklineError."""

    async def put(self, key: str, value: ActiveCall) -> None:
        """Keep the call under its id."""
        ...

    async def delete(self, key: str) -> None:
        """Forget the call."""
        ...

    async def all(self) -> dict[str, ActiveCall]:
        """Every call that is kept, by id."""
        ...


class Floor(Protocol):
    """The processes that hold calls: how the session speaks to them."""

    async def assign(self, role: Role, process: str, assign: Assign) -> None:
        """Hand a call to a worker; raises a TrunklineError when it refuses or does not answer."""
        ...

    async def release(self, role: Role, process: str, ref: CallRef, epoch: int) -> None:
        """Tell a worker to let go; does not wait."""
        ...

    async def hang_up(self, ref: CallRef, reason: EndReason) -> None:
        """Have the gateway end the leg; raises a TrunklineError when it does not answer."""
        ...


class Herald(Protocol):
    """Tells those who have to do with a call who speaks in it."""

    async def reassigned(self, ref: CallRef, body: CallReassigned) -> None:
        """Another process speaks for a role from here on."""
        ...

    async def detached(self, ref: CallRef, body: CallDetached) -> None:
        """The call has lost its leg, and waits for it."""
        ...


@dataclass(frozen=True, slots=True)
class Word:
    """What the record has of a call, and the epoch and the moment in which it was said."""

    body: CallEnded | LegEnded | CallStarted
    epoch: int = 0
    at_us: int = 0


class Chronicle(Protocol):
    """What the session tells the record, and asks it about a call that it may have missed something of."""

    async def ended(self, ref: CallRef, body: CallEnded) -> None:
        """The call is over; said once."""
        ...

    async def rejected(self, ref: CallRef, body: CallRejected) -> None:
        """The call was refused."""
        ...

    async def words(self, ref: CallRef) -> tuple[Word, ...]:
        """How far the call has come as far as the record knows: its end, the newest end of a leg, its start.

        Raises a retryable TrunklineError.
        """
        ...


class Lease(Protocol):
    """The one lease of the session service."""

    async def read(self) -> tuple[LeaderLease | None, int]:
        """The lease and its revision, None and 0 before the first; raises a retryable TrunklineError."""
        ...

    async def write(self, lease: LeaderLease, revision: int) -> int:
        """Write it where it is at `revision` still; its new revision. Raises Conflict where it is not."""
        ...

    async def changed(self, timeout_s: float) -> None:
        """Return once it was written by anybody since the last look, or after `timeout_s`."""
        ...


class Fence(Protocol):
    """What keeps leaders of older terms from writing call records."""

    async def term(self) -> int:
        """The newest term that was begun, 0 before the first."""
        ...

    async def advance(self, holder: str, term: int) -> None:
        """Begin `term`, after which no older one writes; raises Conflict where another came first."""
        ...
