"""Two sessions as processes on a real bus: one leads, the other takes over, and an old one says nothing."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from contracts.channels import SESSION_OPEN
from contracts.errors import ErrorCode
from contracts.identities import CallRef
from contracts.messages import EndReason, LeaderLease, OpenCall, OpenCallReply
from contracts.streams import LEASE_KEY, LEASES_BUCKET
from runtime.errors import RequestTimeout
from runtime.storage import Bucket
from tests.support.child import Child, child
from tests.support.waiting import eventually
from tests.unit.session_service.stage import TENANT, a_number, a_request
from tests.unit.session_service.town import FAST, Town, town

LEASE = {"session_lease_s": 1.0, "session_lease_renew_s": 0.2}


def environment(nats_url: str, process: str, **changes: Any) -> dict[str, str]:
    values = {**FAST, **LEASE, "process": process, **changes}
    return {"TRUNKLINE_NATS_URL": nats_url} | {
        f"TRUNKLINE_{name.upper()}": str(value) for name, value in values.items()
    }


async def patiently(there: Town, request: OpenCall | None = None) -> OpenCallReply:
    """Ask as a gateway does: again, until somebody answers."""
    request = request or a_request()
    while True:
        try:
            return await there.bus.request(SESSION_OPEN, request, OpenCallReply, timeout_s=1)
        except RequestTimeout:
            await asyncio.sleep(0.05)


@asynccontextmanager
async def two_sessions(nats_url: str, **changes: Any) -> AsyncIterator[tuple[Town, Child, Child]]:
    """A town, its leader and its standby."""
    async with AsyncExitStack() as stack:
        there = await stack.enter_async_context(town(nats_url))
        leader, standby = [
            await _started(stack, environment(nats_url, process, **changes))
            for process in ("session-a", "session-b")
        ]
        assert "leads, in term 1" in leader.log
        assert "leads" not in standby.log
        yield there, leader, standby


async def _started(stack: AsyncExitStack, env: dict[str, str]) -> Child:
    process = await stack.enter_async_context(child("-m", "session_service", env=env))
    await process.says("ready")
    return process


async def lease_of(there: Town) -> LeaderLease | None:
    return await (await Bucket.open(there.bus, LEASES_BUCKET, LeaderLease)).get(LEASE_KEY)


async def test_a_standby_takes_over_from_a_leader_that_was_killed(nats_url: str) -> None:
    async with two_sessions(nats_url) as (there, leader, standby):
        await there.publish(a_number(max_concurrent_calls=2))
        stays, leaves = await there.opened(), await there.opened()
        leader.send(signal.SIGKILL)
        await leader.exits()
        await there.leg_ends(leaves)
        await standby.says("leads, in term 2")
        await there.ends(leaves, EndReason.CALLER_HUNG_UP)
        assert await there.active() == [stays.call]
        assert (await patiently(there)).error is None
        full = await patiently(there)
        assert full.error is not None
        assert full.error.code is ErrorCode.NUMBER_FULL


async def test_a_leader_that_stops_in_order_hands_over_at_once(nats_url: str) -> None:
    changes = {"session_lease_s": 60, "session_lease_renew_s": 0.2}  # nobody could wait for it to run out
    async with two_sessions(nats_url, **changes) as (there, leader, standby):
        before = await there.opened()
        leader.send(signal.SIGTERM)
        assert await leader.exits() == 0
        await standby.says("leads, in term 2")
        assert (await patiently(there)).error is None
        assert before.call in await there.active()
        assert await lease_of(there) == LeaderLease(holder="session-b", term=2)


async def test_a_frozen_leader_that_wakes_answers_nothing_and_follows(nats_url: str) -> None:
    async with two_sessions(nats_url) as (there, leader, standby):
        await there.publish(a_number(max_concurrent_calls=3))
        first = await there.opened()
        leader.send(signal.SIGSTOP)
        # Asked of both: the frozen one keeps it in its socket.
        request = a_request()
        answer = asyncio.create_task(patiently(there, request))
        await standby.says("leads, in term 2")
        assert (await answer).error is None
        leader.send(signal.SIGCONT)
        await leader.says("another session leads; term 1 is over")
        assert await there.active() == sorted([first.call, request.call])
        third = await there.opened()
        full = await patiently(there)
        assert full.error is not None
        assert full.error.code is ErrorCode.NUMBER_FULL
        standby.send(signal.SIGTERM)
        assert await standby.exits() == 0
        await leader.says("leads, in term 3")
        await there.leg_ends(third)
        await there.ends(third, EndReason.CALLER_HUNG_UP)


async def test_a_call_that_a_leader_died_opening_is_opened_by_the_next_or_freed(nats_url: str) -> None:
    async with two_sessions(nats_url, session_assign_timeout_s=5.0) as (there, leader, standby):
        await there.publish(a_number(max_concurrent_calls=2))
        slow = there.keeper("tts-1").gate
        slow.clear()
        asks_again, gave_up = a_request(), a_request()
        asking = asyncio.create_task(patiently(there, asks_again))
        lost = asyncio.create_task(patiently(there, gave_up))
        await there.until(lambda: _written(there, asks_again, gave_up), "both are written down")
        leader.send(signal.SIGKILL)
        lost.cancel()
        slow.set()
        await standby.says("leads, in term 2")
        reply = await asking
        assert reply.error is None
        await eventually(lambda: len(there.holders(_ref(asks_again))) == 3, "it is given to workers again")
        await there.until(lambda: _moved(there, asks_again), "and that is written down")
        await there.ends(_ref(gave_up), EndReason.GHOST)
        assert there.holders(_ref(gave_up)) == []


def _ref(request: OpenCall) -> CallRef:
    return CallRef(TENANT, request.call)


async def _moved(there: Town, request: OpenCall) -> bool:
    record = await there.calls.get(request.call)
    return record is not None and record.epoch > 1 and not record.moving


async def _written(there: Town, *requests: OpenCall) -> bool:
    return all([await there.calls.get(request.call) is not None for request in requests])
