"""The session's ports over JetStream KV: the lease, and the call records behind their fence."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

from contracts.messages import ActiveCall, LeaderLease, LeaderTerm
from contracts.streams import CALLS_BUCKET, LEASE_KEY, LEASES_BUCKET, TERM_KEY
from runtime.bus import Bus
from runtime.errors import BusUnavailable, Conflict
from runtime.storage import Bucket, Guard

log = logging.getLogger(__name__)

_LEASE_WRITE_S: Final = 1.0
"""A write of the lease that takes longer has failed: it is worth nothing when it comes late."""

_TRIES_IN_TURN: Final = 5
_PROBE: Final = "probe"


class KvLease:
    """The Lease port. `follow` is to run beside it."""

    def __init__(self, bucket: Bucket[LeaderLease]) -> None:
        self._bucket = bucket
        self._written = asyncio.Event()

    @classmethod
    async def open(cls, bus: Bus) -> KvLease:
        """The lease, in a bucket that is made when missing."""
        return cls(await Bucket.open(bus, LEASES_BUCKET, LeaderLease))

    async def read(self) -> tuple[LeaderLease | None, int]:
        """The lease and its revision."""
        self._written.clear()
        return await self._bucket.entry(LEASE_KEY)

    async def write(self, lease: LeaderLease, revision: int) -> int:
        """Write it where it is at `revision` still."""
        try:
            async with asyncio.timeout(_LEASE_WRITE_S):
                return await self._bucket.replace(LEASE_KEY, lease, revision)
        except TimeoutError as error:
            raise BusUnavailable(
                f"the lease was not written within {_LEASE_WRITE_S:g} s", mend="see to nats-server"
            ) from error

    async def changed(self, timeout_s: float) -> None:
        """Wait for a write by anybody."""
        with suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                await self._written.wait()

    async def follow(self) -> None:
        """Notice every write, until cancelled."""

        async def note(_key: str, _lease: LeaderLease | None) -> None:
            self._written.set()

        await self._bucket.watch(note, lambda: None)


class KvCalls:
    """The CallStore and Fence ports: every write names the term it is made in, and nats-server checks it.

    `on_fenced` hears that a write was refused because another term has begun.
    """

    def __init__(
        self, calls: Bucket[ActiveCall], terms: Bucket[LeaderTerm], on_fenced: Callable[[], None]
    ) -> None:
        self._calls = calls
        self._terms = terms
        self._on_fenced = on_fenced
        self._guard = Guard(TERM_KEY, 0)
        self._take_turns = False
        self._turn = asyncio.Lock()

    @classmethod
    async def open(cls, bus: Bus, on_fenced: Callable[[], None]) -> KvCalls:
        """The records, in a bucket that is made when missing."""
        calls = await Bucket.open(bus, CALLS_BUCKET, ActiveCall)
        return cls(calls, await Bucket.open(bus, CALLS_BUCKET, LeaderTerm), on_fenced)

    async def term(self) -> int:
        """The newest term that was begun."""
        begun, revision = await self._terms.entry(TERM_KEY)
        self._guard = Guard(TERM_KEY, revision)
        return begun.term if begun else 0

    async def advance(self, holder: str, term: int) -> None:
        """Begin `term`, and make sure that nats-server knows what a guard is: an old one ignores it."""
        record = LeaderTerm(holder=holder, term=term)
        older = self._guard
        self._guard = Guard(TERM_KEY, await self._terms.replace(TERM_KEY, record, older.revision))
        try:
            await self._calls.delete(_PROBE, older)
        except Conflict:
            return
        raise BusUnavailable(
            "nats-server does not check what a write depends on",
            mend="run version 2.11 or newer",
            retryable=False,
        )

    async def put(self, key: str, value: ActiveCall) -> None:
        """Keep the call; raises Conflict once another term has begun."""
        await self._behind_the_fence(lambda: self._calls.put(key, value, self._guard))

    async def delete(self, key: str) -> None:
        """Forget the call; raises Conflict once another term has begun."""
        await self._behind_the_fence(lambda: self._calls.delete(key, self._guard))

    async def all(self) -> dict[str, ActiveCall]:
        """Every call that is kept, of this term and older ones; raises Conflict once another has begun."""
        return await self._calls.all(self._guard)

    async def _behind_the_fence(self, write: Callable[[], Awaitable[None]]) -> None:
        """Write. A replicated bucket also refuses the second of two writes that are under way at once behind
        one guard: there they take turns, from the first time on that it happens.
        """
        if not self._take_turns:
            try:
                return await write()
            except Conflict:
                await self._still_ours()
                self._take_turns = True
        async with self._turn:
            for _ in range(_TRIES_IN_TURN):
                try:
                    return await write()
                except Conflict:
                    await self._still_ours()
        raise BusUnavailable("the call records take no write", mend="see to nats-server")

    async def _still_ours(self) -> None:
        """Raise Conflict, and say so, where another term has begun."""
        _, revision = await self._terms.entry(TERM_KEY)
        if revision != self._guard.revision:
            self._on_fenced()
            raise Conflict("another session leads by now", mend="it has the calls")
