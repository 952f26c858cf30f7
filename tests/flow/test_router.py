"""Router on a real bus: what is changed over requests is what the next call gets from KV."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from sqlalchemy import make_url, text

import session_service.app
from contracts import messages as m
from contracts.channels import ASSIGN, CONFIGURATION_BROKEN, HEARTBEAT, ROUTER_NUMBERS
from contracts.errors import ErrorCode
from contracts.messages import AnsweredWith, ConfigurationBroken
from contracts.streams import ALERTS
from router_service.errors import DatabaseUnavailable
from router_service.sql.engine import open_engine
from runtime.bus import Bus
from runtime.errors import BadKeyring
from tests.support.context import service_context
from tests.support.databases import embedded_postgres, stop
from tests.support.office import ADMIN, KEYRING, member
from tests.support.routing import Client, ask_to_open, client, empty_file, router, router_settings
from tests.support.waiting import eventually
from tests.unit.session_service.town import PATIENT

NUMBER = "+15550100"


async def eventually_seen(
    asker: Client, number: str, holds: Callable[[m.NumberSnapshot | None], bool]
) -> m.NumberSnapshot | None:
    """Wait for what is published about a number to be as it should."""
    deadline_s = time.monotonic() + 20
    while not holds(found := await asker.published(number)):
        assert time.monotonic() < deadline_s, found
        await asyncio.sleep(0.01)
    return found


async def eventually_published(asker: Client, number: str, greeting: str) -> m.NumberSnapshot:
    found = await eventually_seen(
        asker, number, lambda one: one is not None and one.assistant.greeting == greeting
    )
    assert found is not None
    return found


async def eventually_withdrawn(asker: Client, number: str) -> None:
    await eventually_seen(asker, number, lambda one: one is None)


async def eventually_limited(asker: Client, limits: tuple[bool, int, int]) -> None:
    """Subscription active, calls at once, and those kept for callers."""

    def limited(one: m.NumberSnapshot | None) -> bool:
        return one is not None and limits == (
            one.subscription_active,
            one.tenant_max_concurrent_calls,
            one.tenant_inbound_reserve,
        )

    await eventually_seen(asker, NUMBER, limited)


async def test_what_is_changed_is_what_the_next_call_gets(
    nats_url: str, tmp_path: Path, database_url: str
) -> None:
    settings = router_settings(nats_url, tmp_path, router_database_url=database_url, router_reload_s=600)
    async with router(settings), client(nats_url) as asker:
        owner = await asker.tenant("acme")
        await asker.done(
            ADMIN, m.CreateNumber(number=NUMBER, assistant="desk", max_concurrent_calls=3), "acme"
        )
        first = await eventually_published(asker, NUMBER, "Good morning.")
        assert (first.tenant, first.tenant_name, first.max_concurrent_calls) == ("acme", "Acme", 3)

        await asker.done(owner, m.UpdateAssistant(id="desk", changes={"greeting": "Hello."}))
        second = await eventually_published(asker, NUMBER, "Hello.")
        assert second.revision > first.revision

        await asker.done(
            owner, m.UpdateNumber(number=NUMBER, override={"greeting": "Sales.", "language": "it"})
        )
        assert (await eventually_published(asker, NUMBER, "Sales.")).assistant.language == "it"

        await asker.done(
            ADMIN, m.PutSubscription(plan="standard", max_concurrent_calls=7, inbound_reserve=2), "acme"
        )
        await eventually_limited(asker, (True, 7, 2))
        await asker.done(ADMIN, m.PutSubscription(plan="standard", active=False), "acme")
        await eventually_limited(asker, (False, 10, 0))

        await asker.tenant("other", greeting="Other.")
        await asker.done(ADMIN, m.AssignNumber(number=NUMBER, assistant="desk"), "other")
        moved = await eventually_published(asker, NUMBER, "Other.")
        assert (moved.tenant, moved.assistant.language) == ("other", "en-US")
        assert (await asker.ask(owner, m.GetNumber(number=NUMBER))).error.code is ErrorCode.NOT_FOUND

        await asker.done(ADMIN, m.AssignNumber(number=NUMBER))
        await eventually_withdrawn(asker, NUMBER)


async def test_a_subscription_ends_by_itself(nats_url: str, tmp_path: Path) -> None:
    async with router(router_settings(nats_url, tmp_path, router_reload_s=0.05)), client(nats_url) as asker:
        await asker.tenant("acme")
        await asker.done(ADMIN, m.CreateNumber(number=NUMBER, assistant="desk"), "acme")
        soon_us = time.time_ns() // 1000 + 300_000
        await asker.done(ADMIN, m.PutSubscription(plan="standard", ends_us=soon_us), "acme")

        await eventually_limited(asker, (True, 10, 0))
        await eventually_limited(asker, (False, 10, 0))


async def test_two_routers_share_a_database(nats_url: str, tmp_path: Path) -> None:
    """What one of them is asked to change, the other does not undo."""
    with embedded_postgres() as server:
        first = router_settings(
            nats_url, tmp_path, router_database_url=server.get_uri(), router_reload_s=0.05, process="router-1"
        )
        second = first.model_copy(update={"process": "router-2"})
        async with router(first), router(second), client(nats_url) as asker:
            owner = await asker.tenant("acme")
            await asker.done(ADMIN, m.CreateNumber(number=NUMBER, assistant="desk"), "acme")
            for turn in range(12):
                greeting = f"Greeting {turn}."
                await asker.done(owner, m.UpdateAssistant(id="desk", changes={"greeting": greeting}))
                await eventually_published(asker, NUMBER, greeting)
            await asyncio.sleep(0.2)  # both look around several times; neither may go back
            found = await asker.published(NUMBER)

        assert found is not None
        assert found.assistant.greeting == "Greeting 11."


async def test_the_example_tenants_are_imported_once(
    nats_url: str, tmp_path: Path, database_url: str
) -> None:
    settings = router_settings(
        nats_url,
        tmp_path,
        router_database_url=database_url,
        router_tenants_file=Path("examples/tenants.yaml"),
    )
    async with router(settings), client(nats_url) as asker:
        reception = await asker.published("+15550100")
        emergency = await asker.published("+15550101")
        assert reception is not None
        assert emergency is not None
        assert (reception.tenant, reception.max_concurrent_calls) == ("bright-smile", 10)
        assert reception.tenant_max_concurrent_calls == 20
        assert len(reception.assistant.knowledge) == 12
        assert "emergency line" in emergency.assistant.greeting
        owner = member("bright-smile")
        await asker.done(owner, m.UpdateAssistant(id="front-desk", changes={"greeting": "Changed."}))

    async with router(settings), client(nats_url) as asker:
        assert (await eventually_published(asker, "+15550100", "Changed.")).tenant == "bright-smile"
        slugs = [item.slug for item in (await asker.done(ADMIN, m.ListTenants())).items]
        assert slugs == ["bright-smile", "load-lab"]


async def test_a_file_with_one_slip_is_imported_and_the_slip_is_told(nats_url: str, tmp_path: Path) -> None:
    path = tmp_path / "tenants.yaml"
    path.write_text(
        "tenants:\n"
        "  good: {name: Good, assistants: {desk: {name: D, greeting: Hi, prompt: x}},"
        " numbers: {'+15550100': {assistant: desk}}}\n"
        "  odd: {name: Odd, assistants: {desk: {name: D, greeting: Hi, promt: x}},"
        " numbers: {'+15550101': {assistant: desk}}}\n"
    )
    async with client(nats_url) as asker:
        async with router(router_settings(nats_url, tmp_path, router_tenants_file=path)):
            assert (await eventually_published(asker, NUMBER, "Hi")).tenant == "good"
            assert await asker.published("+15550101") is None
        told = await asker.bus.jetstream.get_last_msg(ALERTS.name, CONFIGURATION_BROKEN.subject(tenant="odd"))

    alert = ConfigurationBroken.model_validate_json(told.data or b"")
    assert alert.answered_with is AnsweredWith.NOTHING
    assert "prompt: Field required" in alert.fault


async def test_requests_are_published_while_the_file_cannot_be_read(nats_url: str, tmp_path: Path) -> None:
    path = empty_file(tmp_path)
    settings = router_settings(nats_url, tmp_path, router_tenants_file=path, router_reload_s=0.02)
    async with router(settings), client(nats_url) as asker:
        path.write_text("tenants: [")
        await asker.tenant("acme")
        await asker.done(ADMIN, m.CreateNumber(number=NUMBER, assistant="desk"), "acme")

        assert (await eventually_published(asker, NUMBER, "Good morning.")).tenant == "acme"


async def test_a_broken_override_falls_back_and_tells_the_operator(
    nats_url: str, tmp_path: Path, database_url: str
) -> None:
    settings = router_settings(nats_url, tmp_path, router_database_url=database_url, router_reload_s=0.05)
    engine = open_engine(database_url, tmp_path)
    async with router(settings), client(nats_url) as asker:
        await asker.tenant("acme")
        await asker.done(ADMIN, m.CreateNumber(number=NUMBER, assistant="desk"), "acme")
        await eventually_published(asker, NUMBER, "Good morning.")
        alerts: list[ConfigurationBroken] = []

        async def hear(alert: ConfigurationBroken) -> None:
            alerts.append(alert)

        await asker.bus.on_messages(CONFIGURATION_BROKEN.wildcard(), ConfigurationBroken, hear)
        # As an upgrade would: what is stored no longer holds, and nobody was asked.
        async with engine.begin() as connection:
            await connection.exec_driver_sql("""UPDATE numbers SET override = '{"voice": {"speed": 9}}'""")
            await connection.execute(
                text("UPDATE tenants SET revision = revision + 1, name = 'Acme and Sons'")
            )
        await eventually(lambda: alerts, "an alert")
        found = await eventually_seen(
            asker, NUMBER, lambda one: one is not None and "Sons" in one.tenant_name
        )

        assert found is not None
        assert (found.assistant.greeting, found.assistant.voice.speed) == ("Good morning.", 1.0)
        (alert,) = alerts
        assert (alert.tenant, alert.number) == ("acme", NUMBER)
        assert alert.answered_with is AnsweredWith.LAST_GOOD
        assert "voice.speed" in alert.fault
        stored = await asker.bus.jetstream.get_last_msg(
            ALERTS.name, CONFIGURATION_BROKEN.subject(tenant="acme")
        )
        assert ConfigurationBroken.model_validate_json(stored.data or b"") == alert
    await engine.dispose()


async def test_a_call_is_admitted_while_sql_is_stopped(nats_url: str, tmp_path: Path) -> None:
    with embedded_postgres() as server:
        settings = router_settings(
            nats_url, tmp_path, router_database_url=server.get_uri(), router_reload_s=0.05
        )
        async with router(settings), client(nats_url) as asker, session(nats_url):
            owner = await asker.tenant("acme")
            await asker.done(
                ADMIN, m.CreateNumber(number=NUMBER, assistant="desk", max_concurrent_calls=9), "acme"
            )
            await eventually_published(asker, NUMBER, "Good morning.")
            assert (await open_call(asker.bus)).error is None

            stop(server)
            refused = await asker.ask(owner, m.GetTenant())
            assert refused.error is not None
            assert (refused.error.code, refused.error.status) == (ErrorCode.STORE_UNAVAILABLE, 503)
            assert refused.error.retryable
            for _ in range(5):
                answered = await open_call(asker.bus)
                assert answered.error is None
                assert answered.tenant == "acme"
            assert await asker.published(NUMBER) is not None

            server.ensure_postgres_running()
            await asker.done(owner, m.UpdateAssistant(id="desk", changes={"greeting": "Back."}))
            await eventually_published(asker, NUMBER, "Back.")


@asynccontextmanager
async def session(nats_url: str) -> AsyncIterator[None]:
    """A session, and one worker of each role that takes every call."""
    settings = session_service.app.SERVICE.settings(nats_url=nats_url, **PATIENT)
    async with service_context(settings, "session") as context:
        app = session_service.app.SERVICE.build(settings, context)
        await app.start()
        await context.rpc.start()
        async with service_context(settings, "workers") as floor:
            for role in m.Role:
                own = {"role": role.value, "process": f"{role.value}-1"}
                await floor.bus.respond(ASSIGN.subject(**own), m.Assign, m.Assigned, _take)
                beat = m.Heartbeat(
                    role=role, process=own["process"], at_us=floor.clock.now_us(), calls=0, capacity=100
                )
                floor.tasks.spawn(_beat(floor.bus, HEARTBEAT.subject(**own), beat), role.value)
            yield
        await context.rpc.stop()
        await app.stop()


async def _take(_: m.Assign) -> m.Assigned:
    return m.Assigned()


async def _beat(bus: Bus, subject: str, beat: m.Heartbeat) -> None:
    while True:
        await bus.publish(subject, beat)
        await asyncio.sleep(0.1)


async def open_call(bus: Bus) -> m.OpenCallReply:
    """Ask as the gateway does, until the session has heard of its workers."""
    async with asyncio.timeout(30):
        while True:
            reply = await ask_to_open(bus, NUMBER)
            if reply.error is None or reply.error.code is not ErrorCode.NO_WORKER:
                return reply


async def test_a_router_that_finds_no_database_says_so(nats_url: str, tmp_path: Path) -> None:
    gone = make_url("postgresql://nobody@127.0.0.1:1/none").render_as_string(False)

    with pytest.raises(DatabaseUnavailable, match=r"cannot be brought up to date.*DATABASE_URL"):
        async with router(router_settings(nats_url, tmp_path, router_database_url=gone)):
            pass


async def test_a_shared_database_needs_a_shared_keyring(nats_url: str, tmp_path: Path) -> None:
    settings = router_settings(
        nats_url, tmp_path, router_database_url="postgresql://localhost/x", router_keyring=""
    )

    with pytest.raises(BadKeyring, match="every router of a shared database needs the same"):
        async with router(settings):
            pass


async def test_a_database_of_this_machine_has_a_keyring_made_for_it(nats_url: str, tmp_path: Path) -> None:
    settings = router_settings(nats_url, tmp_path, router_keyring="")
    async with router(settings), client(nats_url) as asker:
        owner = await asker.tenant("acme")
        await asker.done(owner, m.PutCredential(provider="openai", secret="sk-secret"))
    path = tmp_path / "home" / "router" / "keyring"
    made = path.read_text()
    assert path.stat().st_mode & 0o077 == 0

    async with router(settings), client(nats_url) as asker:
        assert len((await asker.done(owner, m.ListCredentials())).items) == 1
    assert path.read_text() == made


async def test_secrets_are_sealed_anew_when_the_keyring_turns(nats_url: str, tmp_path: Path) -> None:
    newer = f"two:{KEYRING.split(':')[1].replace('A', 'B', 1)}"
    async with router(router_settings(nats_url, tmp_path)), client(nats_url) as asker:
        owner = await asker.tenant("acme")
        await asker.done(owner, m.PutCredential(provider="openai", secret="sk-secret"))
    settings = router_settings(nats_url, tmp_path, router_keyring=f"{newer},{KEYRING}")
    engine = open_engine("", tmp_path / "home")

    async with router(settings):
        async with asyncio.timeout(30):
            key_id = ""
            while key_id != "two":
                async with engine.connect() as connection:
                    key_id = (await connection.execute(text("SELECT key_id FROM credentials"))).scalar_one()
    await engine.dispose()


async def test_a_request_that_is_no_request_is_told_what_is_wrong(nats_url: str, tmp_path: Path) -> None:
    async with router(router_settings(nats_url, tmp_path)), client(nats_url) as asker:
        for junk, fault in (
            (b"{", "message"),
            (b'{"principal": {"subject": "x"}, "operation": {"op": "list"}}', "principal"),
            (b'{"principal": {"subject": "x", "admin": true}, "operation": {"op": "explode"}}', "operation"),
        ):
            answer = await asker.bus.client.request(ROUTER_NUMBERS.subject(), junk, timeout=20)
            reply = m.NumbersReply.model_validate_json(answer.data)
            assert reply.error is not None
            assert (reply.error.code, reply.error.status) == (ErrorCode.BAD_MESSAGE, 400)
            assert fault in reply.error.message
