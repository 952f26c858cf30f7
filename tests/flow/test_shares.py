"""A tenant's share of the engines, from the plan that an admin sets to the workers of its next call."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from contracts import messages as m
from contracts.channels import ASSIGN
from contracts.errors import ErrorCode
from contracts.identities import CallRef
from tests.flow.test_router import session
from tests.support.resting import Resting, resting
from tests.support.routing import ask_to_open
from tests.support.waiting import eventually
from tests.unit.session_service.stage import LEFT

TENANT = "acme"
NUMBER = "+12025550123"
OF_ACME = {"tenant": TENANT}
STANDARD = {"name": "Standard", "max_concurrent_calls": 1000, "inbound_reserve": 0}
WORKERS = {m.Role.STT, m.Role.LLM, m.Role.TTS}


class Floor:
    """Hears what every worker is assigned, and opens calls one after another."""

    def __init__(self, there: Resting) -> None:
        self.bus = there.bus.bus
        self.shares: dict[str, list[int]] = defaultdict(list)

    async def listen(self) -> None:
        """To the assignments of every worker."""
        for role in WORKERS:
            await self.bus.on_messages(ASSIGN.wildcard(role=role.value), m.Assign, self._hear)
        await self.bus.flush()

    async def _hear(self, assign: m.Assign) -> None:
        self.shares[assign.call].append(assign.share)

    async def share_of_the_next_call(self) -> int:
        """What its three workers are told; session is asked until it knows the number and the workers."""
        async with asyncio.timeout(30):
            while (reply := await ask_to_open(self.bus, NUMBER)).error is not None:
                assert reply.error.code in (ErrorCode.UNKNOWN_NUMBER, ErrorCode.NO_WORKER), reply.error
        assert reply.call is not None
        told = self.shares[reply.call]
        await eventually(lambda: len(told) >= len(WORKERS), "each worker is told")
        assert len(set(told)) == 1, told
        await self.bus.publish_event(CallRef(TENANT, reply.call), LEFT)
        return told[0]

    async def becomes(self, share: int) -> None:
        """Session hears of a change a moment after it is made; the calls after that have it."""
        async with asyncio.timeout(60):
            while await self.share_of_the_next_call() != share:
                continue


@pytest.fixture
async def there(nats_url: str, tmp_path: Path) -> AsyncIterator[Resting]:
    async with resting(nats_url, tmp_path, router_reload_s=600) as rest:
        yield rest


async def test_the_next_calls_workers_are_told_the_share_of_a_changed_plan(
    nats_url: str, there: Resting
) -> None:
    await there.tenant(TENANT)
    await there.admin.done("PUT", "/plans/standard", STANDARD)
    number = {"number": NUMBER, "assistant": "desk", "max_concurrent_calls": 1000}
    await there.admin.done("POST", "/numbers", number, params=OF_ACME)
    floor = Floor(there)
    await floor.listen()
    async with session(nats_url):
        assert await floor.share_of_the_next_call() == 1
        await there.admin.done("PUT", "/plans/standard", {**STANDARD, "share": 3})
        await floor.becomes(3)
        await there.admin.done("PUT", "/subscription", {"plan": "standard", "share": 5}, params=OF_ACME)
        await floor.becomes(5)
        await there.admin.done("PUT", "/subscription", {"plan": "standard"}, params=OF_ACME)
        await floor.becomes(3)


async def test_an_admin_sets_the_share_of_a_plan_or_of_one_tenant(there: Resting) -> None:
    owner = await there.tenant(TENANT)
    assert (await owner.done("GET", "/subscription"))["share"] == 1
    assert (await there.admin.done("PUT", "/plans/standard", {**STANDARD, "share": 3}))["share"] == 3
    assert [plan["share"] for plan in (await owner.done("GET", "/plans"))["items"]] == [3]
    assert (await owner.done("GET", "/subscription"))["share"] == 3
    own = {"plan": "standard", "share": 100}
    assert (await there.admin.done("PUT", "/subscription", own, params=OF_ACME))["share"] == 100
    assert (await owner.done("GET", "/subscription"))["share"] == 100
    for refused in (
        await owner("PUT", "/subscription", own),
        await owner("PUT", "/plans/standard", {**STANDARD, "share": 100}),
    ):
        assert refused.status_code == 403, refused.text


WRONG: tuple[Any, ...] = (0, -1, 101, 1.5, 2.0, "2", True, [2])


async def test_a_share_that_cannot_be_is_refused_by_name(there: Resting) -> None:
    owner = await there.tenant(TENANT)
    for wrong in WRONG:
        for answer in (
            await there.admin("PUT", "/plans/odd", {**STANDARD, "share": wrong}),
            await there.admin("PUT", "/subscription", {"plan": "standard", "share": wrong}, params=OF_ACME),
        ):
            assert answer.status_code == 422, answer.text
            assert "share" in answer.text
    assert (await owner.done("GET", "/subscription"))["share"] == 1
