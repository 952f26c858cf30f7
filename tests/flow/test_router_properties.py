"""Properties 1 and 4 of the design: random tenants, numbers and operations on a real bus and database.

One router serves all examples of a test; every example has tenants and numbers of its own.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts import messages as m
from contracts.errors import ErrorCode
from contracts.identities import uuid7
from tests.support.office import ADMIN, member
from tests.support.routing import Client, client, router, router_settings

COUNTER = itertools.count()
MANY = settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
PROFESSIONS = st.sampled_from(["dentist", "plumber", "lawyer", "restaurant"])
WORDS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20)


@pytest.fixture
async def asker(nats_url: str, tmp_path: Path, database_url: str) -> AsyncIterator[Client]:
    chosen = router_settings(nats_url, tmp_path, router_database_url=database_url, router_reload_s=600)
    async with router(chosen), client(nats_url) as opened:
        yield opened


@dataclass
class Line:
    """What a number should be answered with, as the test knows it."""

    tenant: str | None = None
    assistant: str | None = None
    override: dict[str, Any] = field(default_factory=dict)


@dataclass
class World:
    """The tenants of one example with their assistants, and the numbers."""

    tenants: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    lines: dict[str, Line] = field(default_factory=dict)

    def expected(self, number: str) -> dict[str, Any] | None:
        line = self.lines[number]
        if line.tenant is None or line.assistant is None:
            return None
        config = self.tenants[line.tenant][line.assistant]
        voice = {**config["voice"], **line.override.get("voice", {})}
        return {
            "tenant": line.tenant,
            "id": line.assistant,
            "prompt": line.override.get("prompt", config["prompt"]),
            "voice": voice["name"],
            "profession": config["profession"]["name"],
        }


def seen(snapshot: m.NumberSnapshot | None) -> dict[str, Any] | None:
    if snapshot is None:
        return None
    assistant = snapshot.assistant
    assert assistant.profession is not None
    return {
        "tenant": snapshot.tenant,
        "id": assistant.id,
        "prompt": assistant.prompt,
        "voice": assistant.voice.name,
        "profession": assistant.profession.name,
    }


def a_number(data: st.DataObject) -> str:
    country = data.draw(st.sampled_from(["+1202", "+3906", "+4930"]), "country")
    return f"{country}{2_000_000 + next(COUNTER)}"


def a_config(data: st.DataObject) -> dict[str, Any]:
    return {
        "name": "Desk",
        "greeting": "Good morning.",
        "prompt": data.draw(WORDS, "prompt") + f" {next(COUNTER)}",
        "voice": {"name": f"clone-{next(COUNTER)}"},
        "profession": {"name": data.draw(PROFESSIONS, "profession")},
    }


async def people_the_world(asker: Client, data: st.DataObject) -> World:
    world = World()
    for _ in range(data.draw(st.integers(1, 3), "tenants")):
        slug = f"t{next(COUNTER)}"
        await asker.done(ADMIN, m.CreateTenant(slug=slug, name=slug))
        world.tenants[slug] = {}
        for at in range(data.draw(st.integers(1, 2), "assistants")):
            config = a_config(data)
            await asker.done(ADMIN, m.CreateAssistant(id=f"desk-{at}", config=config), slug)
            world.tenants[slug][f"desk-{at}"] = config
    for _ in range(data.draw(st.integers(1, 4), "numbers")):
        number = a_number(data)
        await asker.done(ADMIN, m.CreateNumber(number=number))
        world.lines[number] = Line()
    return world


async def assign(asker: Client, world: World, number: str, data: st.DataObject) -> None:
    tenant = data.draw(st.sampled_from([None, *world.tenants]), "to")
    assistant = None if tenant is None else data.draw(st.sampled_from([*world.tenants[tenant]]), "assistant")
    await asker.done(ADMIN, m.AssignNumber(number=number, assistant=assistant), tenant)
    line = world.lines[number]
    kept = line.override if line.tenant == tenant else {}
    world.lines[number] = Line(tenant, assistant, kept)


async def configure(asker: Client, world: World, number: str, data: st.DataObject) -> None:
    line = world.lines[number]
    if line.tenant is None:
        return
    override: dict[str, Any] = {}
    if data.draw(st.booleans(), "own prompt"):
        override["prompt"] = data.draw(WORDS, "override")
    if data.draw(st.booleans(), "own voice"):
        override["voice"] = {"name": f"clone-{next(COUNTER)}"}
    await asker.done(member(line.tenant), m.UpdateNumber(number=number, override=override))
    line.override = override


async def change_assistant(asker: Client, world: World, _: str, data: st.DataObject) -> None:
    tenant = data.draw(st.sampled_from([*world.tenants]), "tenant")
    assistant = data.draw(st.sampled_from([*world.tenants[tenant]]), "assistant")
    config = a_config(data)
    await asker.done(member(tenant), m.UpdateAssistant(id=assistant, changes=config))
    world.tenants[tenant][assistant] = config


STEPS = [assign, configure, change_assistant]


async def calls_are_routed_accurately(asker: Client, data: st.DataObject) -> World:
    """Whatever was assigned and configured, each number is answered by that, and no other by anything.

    Returns the tenants and numbers as they are then.
    """
    world = await people_the_world(asker, data)
    for number in world.lines:
        await assign(asker, world, number, data)
    for _ in range(data.draw(st.integers(0, 8), "steps")):
        number = data.draw(st.sampled_from([*world.lines]), "number")
        await data.draw(st.sampled_from(STEPS), "step")(asker, world, number, data)

    for number in world.lines:
        await answered_as_expected(asker, world, number)
    assert await asker.published(a_number(data)) is None
    return world


async def answered_as_expected(asker: Client, world: World, number: str) -> None:
    wanted = world.expected(number)
    deadline_s = time.monotonic() + 20
    while (found := seen(await asker.published(number))) != wanted:
        assert time.monotonic() < deadline_s, (number, found, wanted)
        await asyncio.sleep(0.005)


@dataclass
class Belongings:
    """A tenant, and the names of all it has.

    `hidden` is in everything that it wrote and nobody else can know; `mark` is in what others may guess.
    """

    slug: str
    mark: str
    hidden: str
    number: str
    assistant: str
    user: str
    key: str
    credential: str


async def settle(asker: Client, data: st.DataObject) -> Belongings:
    mark, hidden = f"mark{next(COUNTER)}x", f"hidden{next(COUNTER)}x"
    slug, number, assistant = f"t-{mark}", a_number(data), f"desk-{mark}"
    owner = member(slug)
    await asker.done(ADMIN, m.CreateTenant(slug=slug, name=f"Name {hidden}"))
    config = {**a_config(data), "prompt": f"Prompt {hidden}"}
    await asker.done(owner, m.CreateAssistant(id=assistant, config=config))
    await asker.done(ADMIN, m.CreateNumber(number=number, assistant=assistant), slug)
    await asker.done(
        owner, m.UpdateNumber(number=number, label=f"Label {hidden}", override={"greeting": hidden})
    )
    added = m.AddUser(
        email=f"{mark}@example.com",
        name=f"User {hidden}",
        role=m.MemberRole.OWNER,
        password=f"password {mark}",
    )
    user = (await asker.done(owner, added)).items[0].id
    created = m.CreateKey(label=f"Key {hidden}", role=m.MemberRole.AGENT)
    key = (await asker.done(owner, created)).items[0].id
    stored = m.PutCredential(provider="openai", label=mark, secret=f"secret {mark}")
    credential = (await asker.done(owner, stored)).items[0].id
    return Belongings(slug, mark, hidden, number, assistant, user, key, credential)


async def everything(asker: Client, of: Belongings) -> list[str]:
    """All that the tenant's owner can see, and what its number is answered with."""
    looks = [
        m.GetTenant(),
        m.ListNumbers(),
        m.ListAssistants(),
        m.ListRevisions(id=of.assistant),
        m.ListUsers(),
        m.ListKeys(),
        m.ListCredentials(),
        m.GetSubscription(),
        m.ListAudit(limit=200),
    ]
    replies = [await asker.done(member(of.slug), look) for look in looks]
    return [*(reply.model_dump_json() for reply in replies), str(await asker.published(of.number))]


def attempt(data: st.DataObject, own: Belongings, other: Belongings) -> m.Message:
    """Any operation, on the names of either."""
    whose = data.draw(st.sampled_from([own, other, other]), "whose")
    number, assistant = whose.number, whose.assistant
    changes: dict[str, Any] = {"greeting": "taken over"}
    role = m.MemberRole.OWNER
    return data.draw(
        st.sampled_from(
            [
                m.GetTenant(),
                m.ListTenants(),
                m.UpdateTenant(name=f"Name {own.mark}"),
                m.CreateTenant(slug=f"new-{next(COUNTER)}", name="New"),
                m.CloseTenant(),
                m.GetNumber(number=number),
                m.ListNumbers(),
                m.UpdateNumber(number=number, label=own.mark, override=changes),
                m.UpdateNumber(number=number, assistant=assistant),
                m.CreateNumber(number=number),
                m.AssignNumber(number=number, assistant=assistant),
                m.DeleteNumber(number=number),
                m.GetAssistant(id=assistant),
                m.ListAssistants(),
                m.UpdateAssistant(id=assistant, changes=changes),
                m.DeleteAssistant(id=assistant),
                m.ListRevisions(id=assistant),
                m.RestoreRevision(id=assistant, revision=1),
                m.GetUser(id=whose.user),
                m.ListUsers(),
                m.UpdateUser(id=whose.user, active=False),
                m.RemoveUser(id=whose.user),
                m.ChangePassword(id=whose.user, password="another password"),
                m.AddUser(
                    email=f"{other.mark}@example.com", name=own.mark, role=role, password="another password"
                ),
                m.ListKeys(),
                m.RevokeKey(id=whose.key),
                m.CreateKey(label=own.mark, role=role),
                m.ListCredentials(),
                m.DeleteCredential(id=whose.credential),
                m.PutCredential(provider="openai", label=other.mark, secret=own.mark),
                m.GetSubscription(),
                m.PutSubscription(plan="standard", active=False),
                m.ListPlans(),
                m.ListAudit(),
                m.ListAudit(target=other.number),
                m.PreviewRequest(
                    principal=member(own.slug), assistant=assistant, number=number, changes=changes
                ),
            ]
        ),
        "operation",
    )


async def ask_any(
    asker: Client, who: m.Principal, operation: m.Message, tenant: str | None, key: str | None
) -> m.Reply:
    if isinstance(operation, m.PreviewRequest):
        return await asker.preview(operation.model_copy(update={"principal": who, "tenant": tenant}))
    reply: m.Reply = await asker.ask(who, operation, tenant, key)
    return reply


@MANY
@given(data=st.data())
async def test_property_1_call_routing_accuracy(asker: Client, data: st.DataObject) -> None:
    """Feature: ai-voice-agent, Property 1: Call Routing Accuracy.

    For any incoming phone number in the system, the router should map it to exactly one valid client
    configuration with the correct profession prompt and voice clone ID.
    """
    await calls_are_routed_accurately(asker, data)


async def tenants_are_isolated(asker: Client, data: st.DataObject) -> None:
    """Whatever a tenant asks for, it learns nothing of another's and changes nothing there."""
    own, other = await settle(asker, data), await settle(asker, data)
    before = await everything(asker, other)
    known = ""  # what was said may come back

    for _ in range(data.draw(st.integers(1, 8), "attempts")):
        operation = attempt(data, own, other)
        who = member(own.slug, data.draw(st.sampled_from(m.MemberRole), "role"))
        tenant = data.draw(st.sampled_from([None, own.slug, other.slug]), "tenant")
        key = data.draw(st.sampled_from([None, "once", "twice"]), "idempotency key")
        reply = await ask_any(asker, who, operation, tenant, key)

        known += f"{operation.model_dump_json()} {tenant}"
        said = reply.model_dump_json()
        for word in (other.mark, other.number, other.user, other.key, other.credential):
            assert word not in said or word in known, (operation, said)
        assert other.hidden not in said, (operation, said)
        if reply.error is not None:
            assert reply.error.status < 500, reply.error
            if tenant == other.slug:
                assert reply.error.code in (ErrorCode.NOT_FOUND, ErrorCode.FORBIDDEN, ErrorCode.CONFLICT)

    assert await everything(asker, other) == before
    gone = uuid7(time.time_ns() // 1_000_000, Random(next(COUNTER)))
    owner = member(own.slug)
    for there, not_there in (
        (m.GetUser(id=other.user), m.GetUser(id=gone)),
        (m.RevokeKey(id=other.key), m.RevokeKey(id=gone)),
        (m.DeleteCredential(id=other.credential), m.DeleteCredential(id=gone)),
        (m.GetNumber(number=other.number), m.GetNumber(number=a_number(data))),
        (m.GetAssistant(id=other.assistant), m.GetAssistant(id="nobody")),
    ):
        first, second = await asker.ask(owner, there), await asker.ask(owner, not_there)
        assert first.error is not None
        assert second.error is not None
        assert (first.error.code, first.error.status) == (second.error.code, second.error.status)
        assert first.error.code is ErrorCode.NOT_FOUND


@MANY
@given(data=st.data())
async def test_property_4_multi_tenant_data_isolation(asker: Client, data: st.DataObject) -> None:
    """Feature: ai-voice-agent, Property 4: Multi-Tenant Data Isolation.

    For any client in the system, all call data, analytics, and configuration should be completely isolated
    from other clients, with no cross-client data leakage.
    """
    await tenants_are_isolated(asker, data)
