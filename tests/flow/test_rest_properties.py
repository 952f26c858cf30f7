"""Properties 1 and 4 of the design through the real REST: tenants with keys, HTTP, the bus, a database.

A session on the same bus admits calls, so what is routed is not only what is published but what a call gets;
analytics keeps the record, so what is isolated is not only what was configured but what was said.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import analytics_service.app
from analytics_service.settings import Settings as AnalyticsSettings
from contracts import messages as m
from contracts.errors import ErrorCode
from contracts.identities import CallRef
from runtime.bus import Bus
from tests.flow.test_rest_isolation import (
    ABOUT_NOBODY,
    BODIES,
    Belongings,
    furnish,
    operations,
    recorded,
)
from tests.flow.test_router import session
from tests.flow.test_router_properties import MANY, World, calls_are_routed_accurately, tenants_are_isolated
from tests.support.rest_client import RestClient
from tests.support.resting import Api, Resting, resting, service
from tests.support.routing import ask_to_open
from tests.unit.session_service.stage import LEFT, STARTED


@pytest.fixture
async def asker(nats_url: str, tmp_path: Path) -> AsyncIterator[RestClient]:
    async with resting(nats_url, tmp_path, router_reload_s=600) as there, session(nats_url):
        yield RestClient(there)


async def answered_with(bus: Bus, number: str) -> dict[str, Any] | None:
    """What a call to the number gets, which then ends; None where nobody has the number."""
    reply = await ask_to_open(bus, number)
    if reply.error is not None:
        known = reply.error.code is ErrorCode.UNKNOWN_NUMBER
        return None if known else {"refused": reply.error.code}  # the call before has not ended yet
    assert reply.assistant is not None
    assert reply.assistant.profession is not None
    assert reply.tenant is not None
    assert reply.call is not None
    await bus.publish_event(CallRef(reply.tenant, reply.call), LEFT)
    assert reply.number == number
    return {
        "tenant": reply.tenant,
        "id": reply.assistant.id,
        "prompt": reply.assistant.prompt,
        "voice": reply.assistant.voice.name,
        "profession": reply.assistant.profession.name,
    }


async def called_as_expected(asker: RestClient, world: World, number: str) -> None:
    """Session hears of a change a moment after it is published; nothing changes any more."""
    wanted = world.expected(number)
    async with asyncio.timeout(30):
        while await answered_with(asker.bus, number) != wanted:
            continue


@pytest.mark.timeout(600)
@MANY
@given(data=st.data())
async def test_property_1_call_routing_accuracy_through_rest(asker: RestClient, data: st.DataObject) -> None:
    """Feature: ai-voice-agent, Property 1: Call Routing Accuracy.

    For any incoming phone number in the system, the router should map it to exactly one valid client
    configuration with the correct profession prompt and voice clone ID.
    """
    world = await calls_are_routed_accurately(asker, data)
    for number in world.lines:
        await called_as_expected(asker, world, number)


@pytest.mark.timeout(600)
@MANY
@given(data=st.data())
async def test_property_4_multi_tenant_data_isolation_through_rest(
    asker: RestClient, data: st.DataObject
) -> None:
    """Feature: ai-voice-agent, Property 4: Multi-Tenant Data Isolation.

    For any client in the system, all call data, analytics, and configuration should be completely isolated
    from other clients, with no cross-client data leakage. Here: its configuration.
    """
    await tenants_are_isolated(asker, data)


# -- calls -------------------------------------------------------------------------------------------


class Town:
    """Tenants with all that a tenant can have: also a call that goes on, and one that is recorded."""

    def __init__(self, there: Resting, tenants: list[Belongings], live: list[str]) -> None:
        self.there = there
        self.tenants = tenants
        self.live = live
        self.before: list[Any] = []

    async def seen(self, at: int) -> list[Any]:
        """All that a tenant can see of itself, its calls above all."""
        tenant, live = self.tenants[at], self.live[at]
        live_call = f"/calls/{live}"
        return await tenant.seen("/calls?state=active", live_call, f"{live_call}/transcript", "/usage")


@asynccontextmanager
async def a_town(nats_url: str, folder: Path) -> AsyncIterator[Town]:
    analytics = AnalyticsSettings(nats_url=nats_url, home=folder / "home", analytics_batch_s=0.1)
    async with (
        resting(nats_url, folder, router_reload_s=600) as there,
        session(nats_url),
        service(analytics_service.app.SERVICE, analytics),
    ):
        first = await furnish(there, "first", "+12025550109", 9)
        await a_live_call(
            there.bus.bus, first.names["numbers"]
        )  # what is refused until then is in its record
        tenants, live = [], []
        for at in range(4):
            number = f"+1202555010{at}"
            tenants.append(await furnish(there, f"tenant-{at}", number, at))
            await recorded(tenants[-1])
            live.append(await a_live_call(there.bus.bus, number))
        town = Town(there, tenants, live)
        town.before = [await town.seen(at) for at in range(len(tenants))]
        yield town


async def a_live_call(bus: Bus, number: str) -> str:
    """A call that is answered and goes on."""
    async with asyncio.timeout(30):
        while (reply := await ask_to_open(bus, number)).error is not None:
            continue  # the number, or a worker, is not known yet
    assert reply.tenant is not None
    assert reply.call is not None
    await bus.publish_event(CallRef(reply.tenant, reply.call), STARTED)
    return reply.call


@pytest.fixture
async def town(nats_url: str, tmp_path: Path) -> AsyncIterator[Town]:
    async with a_town(nats_url, tmp_path) as opened:
        yield opened


OPERATIONS = sorted(set(operations()) - ABOUT_NOBODY)


async def attempt(town: Town, thief: Api, whose: int, data: st.DataObject) -> tuple[bool, Any]:
    """Any operation on the names of a tenant; returns whether it named that tenant's things."""
    operation = data.draw(st.sampled_from(OPERATIONS), "operation")
    method, template = operation.split(" ")
    tenant = town.tenants[whose]
    path, named = tenant.path(template), "{" in template
    if template.startswith("/v1/calls/{") and data.draw(st.booleans(), "the call that goes on"):
        path = path.replace(tenant.names["calls"], town.live[whose])
    takes_tenant = not template.startswith("/v1/tenants") and not template.endswith("/assignment")
    query = {"tenant": tenant.names["tenants"]} if takes_tenant and data.draw(st.booleans(), "query") else {}
    return named or bool(query), await thief(method, path, BODIES.get(operation), params=query)


@pytest.mark.timeout(1200)
@MANY
@given(data=st.data())
async def test_property_4_multi_tenant_isolation_of_calls_through_rest(
    town: Town, data: st.DataObject
) -> None:
    """Feature: ai-voice-agent, Property 4: Multi-Tenant Data Isolation.

    For any client in the system, all call data, analytics, and configuration should be completely isolated
    from other clients, with no cross-client data leakage. Here: its calls too, live and recorded.
    """
    own = data.draw(st.integers(2, 3), "thief")
    victim = data.draw(st.integers(0, 1), "victim")
    role = data.draw(st.sampled_from(m.MemberRole), "role")
    thief = await town.there.owner(f"tenant-{own}", role)
    theirs = town.tenants[victim].names
    secrets = (
        f"to tenant-{victim}",
        theirs["users"],
        theirs["calls"],
        town.live[victim],
        theirs["credentials"],
    )

    for _ in range(data.draw(st.integers(1, 6), "attempts")):
        whose = data.draw(st.sampled_from([own, victim, victim]), "whose")
        named, answer = await attempt(town, thief, whose, data)
        assert answer.status_code < 500, answer.text
        if whose == victim and named:
            assert answer.status_code in (403, 404), answer.text
        asked = str(answer.request.url)
        for secret in secrets:
            assert secret in asked or secret not in answer.text, (asked, answer.text)

    assert await town.seen(victim) == town.before[victim]
