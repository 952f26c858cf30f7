"""Which of several session processes leads: a lease that is renewed, and a fence before the call records.

Time is each process's own monotonic clock and is never compared between machines; what the clock cannot
promise, the fence does. The argument is in docs/adr/0016-session-leadership.md.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable
from contextlib import suppress
from enum import Enum, auto
from typing import Final

from contracts.errors import TrunklineError
from contracts.messages import LeaderLease
from runtime.clock import Clock
from runtime.errors import Conflict
from session_service.errors import IllegalTransition, NotLeading
from session_service.ports import Fence, Lease

log = logging.getLogger(__name__)

_LOOK_S: Final = 0.02
_SHARE_TRUSTED: Final = 0.9
"""Of the lease's length, so much is relied on: clocks of two machines do not run equally fast."""


class Standing(Enum):
    """Where a process stands. DOUBTING: it led and could not renew; it decides nothing until it knows."""

    FOLLOWING = auto()
    CLAIMING = auto()
    LEADING = auto()
    DOUBTING = auto()
    RESIGNED = auto()


class Turn(Enum):
    """What can happen to it."""

    LEASE_FREE = auto()
    WON = auto()
    BEATEN = auto()
    RENEWED = auto()
    LAPSED = auto()
    STOPPED = auto()


_TABLE: Final = {
    (Standing.FOLLOWING, Turn.LEASE_FREE): Standing.CLAIMING,
    (Standing.CLAIMING, Turn.WON): Standing.LEADING,
    (Standing.CLAIMING, Turn.BEATEN): Standing.FOLLOWING,
    (Standing.LEADING, Turn.RENEWED): Standing.LEADING,
    (Standing.LEADING, Turn.LAPSED): Standing.DOUBTING,
    (Standing.LEADING, Turn.BEATEN): Standing.FOLLOWING,
    (Standing.DOUBTING, Turn.RENEWED): Standing.LEADING,
    (Standing.DOUBTING, Turn.BEATEN): Standing.FOLLOWING,
    (Standing.FOLLOWING, Turn.STOPPED): Standing.RESIGNED,
    (Standing.CLAIMING, Turn.STOPPED): Standing.RESIGNED,
    (Standing.LEADING, Turn.STOPPED): Standing.RESIGNED,
    (Standing.DOUBTING, Turn.STOPPED): Standing.RESIGNED,
}


def next_standing(standing: Standing, turn: Turn) -> Standing:
    """The standing after `turn`; raises IllegalTransition for a pair that the table does not list."""
    try:
        return _TABLE[standing, turn]
    except KeyError:
        raise IllegalTransition(
            f"{turn.name} cannot happen to who is {standing.name}", mend="see session_service/leadership.py"
        ) from None


class Election:
    """What one process knows of the lease, and how long it may rely on its own. No I/O; time is passed in."""

    def __init__(self, lease_s: float) -> None:
        self.standing = Standing.FOLLOWING
        self.revision = 0
        self._lease_s = lease_s
        self._unchanged_since_s = math.inf
        self._trusted_until_s = -math.inf

    def take(self, turn: Turn) -> None:
        """Go to the next standing; raises IllegalTransition, and then changes nothing."""
        self.standing = next_standing(self.standing, turn)

    def saw(self, lease: LeaderLease | None, revision: int, now_s: float) -> bool:
        """The lease as it is now; whether it may be taken."""
        if revision != self.revision or math.isinf(self._unchanged_since_s):
            self.revision, self._unchanged_since_s = revision, now_s
        return lease is None or lease.released or now_s >= self.free_at_s

    @property
    def free_at_s(self) -> float:
        """When the lease that was seen may be taken, if it does not change until then."""
        return self._unchanged_since_s + self._lease_s

    def wrote(self, revision: int, asked_s: float) -> None:
        """Our lease is stored. It began no earlier than we asked for it, so nobody can take it before its
        length has passed since then.
        """
        self.revision = revision
        self._trusted_until_s = asked_s + _SHARE_TRUSTED * self._lease_s

    def in_time(self, now_s: float) -> bool:
        """Whether what we wrote last can still be relied on."""
        return now_s < self._trusted_until_s

    def leads(self, now_s: float) -> bool:
        """Whether this process may decide anything now."""
        return self.standing is Standing.LEADING and self.in_time(now_s)

    def forget(self) -> None:
        """Watch the lease from the beginning, as somebody who has just come."""
        self._unchanged_since_s, self._trusted_until_s = math.inf, -math.inf


class Mandate:
    """The right to decide, in one term."""

    def __init__(self, leadership: Leadership, term: int) -> None:
        self._leadership = leadership
        self._term = term

    def holds_now(self) -> bool:
        """Whether it holds at this moment, as far as is known."""
        return self._leadership.leads(self._term)

    async def holds(self) -> bool:
        """Whether it holds; returns once that is known."""
        return self._leadership.leads(self._term) or await self._leadership.known(self._term)

    async def demand(self) -> None:
        """Return where it holds; raises NotLeading where it does not."""
        if not await self.holds():
            raise NotLeading("this session does not lead any more", mend="another one answers")


class Leadership:
    """Follows, claims and keeps the lease, and says when a term begins and ends."""

    def __init__(
        self, lease: Lease, fence: Fence, clock: Clock, *, holder: str, lease_s: float, renew_s: float
    ) -> None:
        self._lease = lease
        self._fence = fence
        self._clock = clock
        self._holder = holder
        self._renew_s = renew_s
        self._election = Election(lease_s)
        self._term = 0
        self._deposed = asyncio.Event()
        self.settled = asyncio.Event()
        """Set once it is known who leads: this process, or one that was seen to renew."""

    def mandate(self) -> Mandate:
        """What the term of now may do; it ends with the term, also where this process wins the next one."""
        return Mandate(self, self._term)

    def leads(self, term: int) -> bool:
        """Whether this process leads in `term` at this moment."""
        in_office = term == self._term and not self._deposed.is_set()
        return in_office and self._election.leads(self._clock.monotonic_s())

    async def known(self, term: int) -> bool:
        """As `leads`; where this process cannot tell, because it could not renew yet, that is waited for."""
        while not self.leads(term):
            in_doubt = self._election.standing in (Standing.LEADING, Standing.DOUBTING)
            if term != self._term or self._deposed.is_set() or not in_doubt:
                return False
            await self._clock.sleep(_LOOK_S)
        return True

    def depose(self) -> None:
        """A write was refused behind the fence: another leads."""
        self._deposed.set()

    async def run(self, begin: Callable[[], Awaitable[None]], end: Callable[[], Awaitable[None]]) -> None:
        """Until cancelled: lead whenever nobody else does. `begin` takes up a term, `end` lets it go.

        Both are awaited one after the other, `end` also where `begin` was not finished or failed.
        """
        while True:
            await self._until_claimed()
            ruling = asyncio.ensure_future(self._rule(begin))
            try:
                await self._keep(ruling)
            finally:
                ruling.cancel()
                await asyncio.wait({ruling})
                await end()
            if not ruling.cancelled():
                ruling.result()

    async def _rule(self, begin: Callable[[], Awaitable[None]]) -> None:
        """Take up the term. Where that fails for a reason that may pass, another may have it, or we again."""
        try:
            await begin()
        except TrunklineError as error:
            if not error.retryable and not isinstance(error, Conflict):
                raise
            log.warning("term %d could not be taken up: %s", self._term, error)
            self.depose()
        else:
            self.settled.set()

    async def resign(self) -> None:
        """Never lead again from here on; where we do, whoever waits need not wait for the lease to run out.

        To be called once `run` was cancelled.
        """
        led = self._election.standing in (Standing.LEADING, Standing.DOUBTING)
        self._election.take(Turn.STOPPED)
        if led:
            with suppress(TrunklineError):  # then it runs out by itself
                await self._lease.write(self._own(released=True), self._election.revision)

    async def _until_claimed(self) -> None:
        """Return with the lease in hand."""
        self._election.forget()
        while True:
            try:
                if await self._claimed():
                    return
            except TrunklineError as error:
                log.warning("the lease could not be read or written: %s", error)
                self._beaten()
                await self._clock.sleep(self._renew_s)

    async def _claimed(self) -> bool:
        """Look at the lease once and claim it where it is free; else wait until it changes or may be free."""
        first = self._election.revision
        lease, revision = await self._lease.read()
        now_s = self._clock.monotonic_s()
        if self._election.saw(lease, revision, now_s):
            self._election.take(Turn.LEASE_FREE)
            return await self._claim(lease)
        if first not in (0, revision):
            self.settled.set()
        await self._lease.changed(max(0.0, self._election.free_at_s - now_s))
        return False

    async def _claim(self, lease: LeaderLease | None) -> bool:
        """Take the lease, then raise the fence: from there on no older term writes a call record."""
        try:
            self._term = 1 + max(lease.term if lease else 0, await self._fence.term())
            asked_s = self._clock.monotonic_s()
            revision = await self._lease.write(self._own(), self._election.revision)
            self._election.wrote(revision, asked_s)
            await self._fence.advance(self._holder, self._term)
        except Conflict:
            self._beaten()
            return False
        self._deposed.clear()
        self._election.take(Turn.WON)
        log.info("leads, in term %d", self._term)
        return True

    async def _keep(self, ruling: asyncio.Future[None]) -> None:
        """Renew the lease; return once another has it, or when taking up the term failed."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._renew_s):
                    await self._deposed.wait()
            if ruling.done() and ruling.exception() is not None:
                return self._beaten()
            if self._deposed.is_set() or not await self._renewed():
                log.warning("another session leads; term %d is over", self._term)
                return self._beaten()

    async def _renewed(self) -> bool:
        """Write the lease anew; False where another has taken it.

        A write of ours whose answer was lost comes back as a conflict with ourselves.
        """
        asked_s = self._clock.monotonic_s()
        if not self._election.in_time(asked_s) and self._election.standing is Standing.LEADING:
            self._doubt("it could not be renewed in time")
        try:
            try:
                revision = await self._lease.write(self._own(), self._election.revision)
            except Conflict:
                lease, self._election.revision = await self._lease.read()
                if lease != self._own():
                    return False
                revision = await self._lease.write(self._own(), self._election.revision)
        except Conflict:
            return False
        except TrunklineError as error:
            log.warning("the lease was not renewed: %s", error)
            return True
        self._election.wrote(revision, asked_s)
        self._election.take(Turn.RENEWED)
        return True

    def _doubt(self, why: str) -> None:
        log.warning("decides nothing until the lease is renewed: %s", why)
        self._election.take(Turn.LAPSED)

    def _beaten(self) -> None:
        if self._election.standing is not Standing.FOLLOWING:
            self._election.take(Turn.BEATEN)

    def _own(self, *, released: bool = False) -> LeaderLease:
        return LeaderLease(holder=self._holder, term=self._term, released=released)
