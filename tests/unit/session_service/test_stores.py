"""The lease and the fence on a real nats-server: of two leaders, one can write."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from typing_extensions import override

from contracts.examples.practice import ACTIVE_CALL
from contracts.messages import ActiveCall, LeaderLease, LeaderTerm
from contracts.streams import CALLS_BUCKET, TERM_KEY
from runtime.bus import Bus
from runtime.errors import BusUnavailable, Conflict
from runtime.settings import ProcessSettings
from runtime.storage import Bucket, Guard
from session_service.stores import KvCalls, KvLease
from tests.support.context import service_context


@asynccontextmanager
async def a_bus(nats_url: str) -> AsyncIterator[Bus]:
    async with service_context(ProcessSettings(nats_url=nats_url), "probe") as context:
        yield context.bus


@dataclass
class Leader:
    """The call records as one leader has them; `fenced` counts how often it was refused."""

    calls: KvCalls
    fenced: list[str] = field(default_factory=list)


async def a_leader(bus: Bus, holder: str) -> Leader:
    """One that has begun the next term."""
    fenced: list[str] = []
    calls = await KvCalls.open(bus, lambda: fenced.append(holder))
    await calls.advance(holder, await calls.term() + 1)
    return Leader(calls, fenced)


async def test_a_lease_is_taken_by_one_of_those_who_saw_it_free(nats_url: str) -> None:
    async with a_bus(nats_url) as bus:
        lease = await KvLease.open(bus)
        assert await lease.read() == (None, 0)
        claims = [LeaderLease(holder=f"session-{each}", term=1) for each in range(5)]
        results = await asyncio.gather(*(lease.write(each, 0) for each in claims), return_exceptions=True)
        (revision,) = (each for each in results if isinstance(each, int))
        assert sum(isinstance(each, Conflict) for each in results) == 4
        held, seen = await lease.read()
        assert seen == revision
        assert held in claims


async def test_a_follower_is_woken_by_a_write_and_not_before(nats_url: str) -> None:
    async with a_bus(nats_url) as bus:
        lease, other = await KvLease.open(bus), await KvLease.open(bus)
        following = asyncio.create_task(lease.follow())
        await lease.read()
        waiting = asyncio.create_task(lease.changed(60))
        await other.write(LeaderLease(holder="session-1", term=1), 0)
        await asyncio.wait_for(waiting, 20)
        await lease.read()
        await asyncio.wait_for(lease.changed(0.01), 20)
        following.cancel()


async def test_a_leader_of_an_older_term_writes_removes_and_reads_nothing(nats_url: str) -> None:
    async with a_bus(nats_url) as bus:
        old = await a_leader(bus, "one")
        await old.calls.put("kept", ACTIVE_CALL)
        await old.calls.put("gone", ACTIVE_CALL)
        await old.calls.delete("gone")
        new = await a_leader(bus, "two")
        refused = (old.calls.put("late", ACTIVE_CALL), old.calls.delete("kept"))
        for each in refused:
            with pytest.raises(Conflict, match="another session leads by now"):
                await each
        assert old.fenced == ["one", "one"]
        with pytest.raises(Conflict):
            await old.calls.all()
        assert set(await new.calls.all()) == {"kept"}
        await new.calls.delete("kept")
        assert (await new.calls.all(), new.fenced) == ({}, [])


async def test_of_a_write_and_a_new_term_one_is_first_and_the_new_leader_sees_which(nats_url: str) -> None:
    async with a_bus(nats_url) as bus, a_bus(nats_url) as another:
        old = await a_leader(bus, "one")
        calls = [f"call-{each}" for each in range(300)]
        writing = asyncio.gather(
            *(old.calls.put(each, ACTIVE_CALL) for each in calls), return_exceptions=True
        )
        new = await a_leader(another, "two")
        seen = set(await new.calls.all())
        results = await writing
        stored = {call for call, result in zip(calls, results, strict=True) if result is None}
        assert seen == stored == set(await new.calls.all())
        assert all(result is None or isinstance(result, Conflict) for result in results)


async def test_a_term_that_another_began_first_is_not_begun(nats_url: str) -> None:
    async with a_bus(nats_url) as bus:
        slow = await KvCalls.open(bus, lambda: None)
        assert await slow.term() == 0
        await a_leader(bus, "two")
        with pytest.raises(Conflict):
            await slow.advance("one", 1)


class OneAtATime(Bucket[ActiveCall]):
    """As a replicated bucket is: of two writes at once behind one guard it refuses the second."""

    busy = False
    refused = 0

    @override
    async def put(self, key: str, value: ActiveCall, guard: Guard | None = None) -> None:
        if self.busy:
            self.refused += 1
            raise Conflict("one is under way")
        self.busy = True
        try:
            await super().put(key, value, guard)
        finally:
            self.busy = False


async def test_writes_that_must_not_meet_take_turns(nats_url: str) -> None:
    async with a_bus(nats_url) as bus:
        bucket = await OneAtATime.open(bus, CALLS_BUCKET, ActiveCall)
        assert isinstance(bucket, OneAtATime)
        terms = await Bucket.open(bus, CALLS_BUCKET, LeaderTerm)
        calls = KvCalls(bucket, terms, lambda: pytest.fail("nobody else leads"))
        await calls.term()
        await calls.advance("one", 1)
        await asyncio.gather(*(calls.put(f"call-{each}", ACTIVE_CALL) for each in range(50)))
        assert len(await calls.all()) == 50
        assert bucket.refused > 0
        before = bucket.refused
        await asyncio.gather(*(calls.put(f"more-{each}", ACTIVE_CALL) for each in range(50)))
        assert bucket.refused == before, "it has learnt"


class Careless(Bucket[ActiveCall]):
    """As an old nats-server is: it does not look at what a write depends on."""

    @override
    async def delete(self, key: str, guard: Guard | None = None) -> None:
        await super().delete(key)


async def test_a_server_that_would_let_every_write_pass_is_not_led_on(nats_url: str) -> None:
    async with a_bus(nats_url) as bus:
        bucket = await Careless.open(bus, CALLS_BUCKET, ActiveCall)
        calls = KvCalls(bucket, await Bucket.open(bus, CALLS_BUCKET, LeaderTerm), lambda: None)
        await calls.term()
        with pytest.raises(BusUnavailable, match=r"run version 2\.11 or newer") as caught:
            await calls.advance("one", 1)
        assert not caught.value.retryable


async def test_the_term_is_kept_beside_the_calls_and_is_none(nats_url: str) -> None:
    async with a_bus(nats_url) as bus:
        await a_leader(bus, "one")
        terms = await Bucket.open(bus, CALLS_BUCKET, LeaderTerm)
        assert await terms.get(TERM_KEY) == LeaderTerm(holder="one", term=1)
        assert await (await Bucket.open(bus, CALLS_BUCKET, ActiveCall)).all() == {}
