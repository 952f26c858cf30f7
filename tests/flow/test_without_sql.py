"""Nothing in the path of a call needs SQL: it is asked nothing, and calls go on while it is away."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import event

from contracts import messages as m
from contracts.channels import ROUTER_KEYS, ROUTER_NUMBERS
from contracts.errors import ErrorCode
from contracts.messages import CallEnded, CallRejected, CallStarted, EndReason, PlayoutEnded, TurnEnded
from tests.flow.test_media_tokens import CALLER, TENANT, caller, reached, token_in, voice
from tests.support.callers import noise
from tests.support.databases import embedded_postgres, stop
from tests.support.office import ADMIN, KEYRING
from tests.support.platform import SYNTHETIC_NUMBER, Platform
from tests.support.waiting import eventually
from tests.support.web import Web, key_of

NOBODYS = "+15550999"


async def number_of(running: Platform) -> m.NumbersReply:
    """Ask router for a number, as REST does: that needs SQL."""
    asked = m.NumbersRequest(principal=ADMIN, operation=m.GetNumber(number=SYNTHETIC_NUMBER))
    return await running.bus.request(ROUTER_NUMBERS, asked, m.NumbersReply, timeout_s=20)


async def call_to_end(running: Platform, token: str, sid: str) -> None:
    """A call is answered, greeted, heard, spoken to, ended."""
    known = len(running.record.events)

    def told(kind: type[Any], count: int = 1) -> bool:
        return sum(isinstance(one.body, kind) for one in running.record.events[known:]) >= count

    async with caller(running, token, sid) as speaker:
        await eventually(lambda: told(CallStarted), "it is answered")
        await eventually(lambda: told(PlayoutEnded), "it is greeted")
        said = speaker.say(noise(0.6))
        await eventually(said.finished.is_set, "it has spoken")
        await eventually(lambda: told(TurnEnded) and told(PlayoutEnded, 2), "what it says is answered")
    await eventually(lambda: told(CallEnded), "it is over")
    (ended,) = (one.body for one in running.record.events[known:] if isinstance(one.body, CallEnded))
    assert ended.reason is EndReason.CALLER_HUNG_UP


async def call_from_webhook_to_end(running: Platform, web: Web, sid: str) -> None:
    """A carrier's call is admitted and goes on to its end; one to nobody's number is rejected."""
    await call_to_end(running, token_in(await voice(web, CallSid=sid)), sid)
    known = len(running.record.events)
    assert [verb.tag for verb in await voice(web, CallSid=sid.replace("CA0", "CA1"), To=NOBODYS)] == [
        "Reject"
    ]
    await eventually(
        lambda: any(isinstance(one.body, CallRejected) for one in running.record.events[known:]),
        "the other is on record",
    )
    assert (await running.active_calls()).calls == ()


async def test_with_sql_stopped_calls_are_routed_answered_and_ended(nats_url: str, tmp_path: Path) -> None:
    with embedded_postgres() as server:
        routing: dict[str, Any] = {
            "router_database_url": server.get_uri(),
            "router_keyring": KEYRING,
            "router_reload_s": 0.1,
        }
        async with reached(nats_url, tmp_path, **routing) as (running, web):
            assert (await number_of(running)).error is None
            stop(server)
            refused = (await number_of(running)).error
            assert refused is not None
            assert refused.code is ErrorCode.STORE_UNAVAILABLE

            for at in range(2):
                await call_from_webhook_to_end(running, web, f"CA{at:032x}")

            server.ensure_postgres_running()
            assert (await number_of(running)).error is None


async def test_with_sql_stopped_a_tenants_program_places_calls(nats_url: str, tmp_path: Path) -> None:
    with embedded_postgres() as server:
        routing: dict[str, Any] = {"router_database_url": server.get_uri(), "router_keyring": KEYRING}
        async with reached(nats_url, tmp_path, rest={"rest_recheck_s": 0}, **routing) as (running, web):
            key, late = await key_of(running.bus, TENANT), await key_of(running.bus, TENANT)
            other = await key_of(running.bus, "bright-smile")

            async def asked(headers: dict[str, str], to: str = SYNTHETIC_NUMBER) -> httpx.Response:
                wanted = {"to": to, "from": CALLER}
                return await web.client.post("/v1/media-tokens", json=wanted, headers=headers)

            me = await web.client.get("/v1/me", headers=key)
            assert me.status_code == 200, "the key is known from now on, and the number is not"
            assert (await asked(other)).status_code == 404
            stop(server)

            for at in range(2):
                given = await asked(key)
                assert given.status_code == 201, given.text
                await call_to_end(running, given.json()["token"], f"CA{at:032x}")
            assert (await asked(key, NOBODYS)).status_code == 503, "router would have to say"
            assert (await asked(other)).status_code == 503, "as for what nobody has"
            assert (await asked(late)).status_code == 503, "it was never checked"

            server.ensure_postgres_running()
            assert (await number_of(running)).error is None
            revoked = m.RevokeKey(id=me.json()["subject"].removeprefix("key:"))
            asking = m.KeysRequest(principal=ADMIN, tenant=TENANT, operation=revoked)
            assert (await running.bus.request(ROUTER_KEYS, asking, m.KeysReply, timeout_s=20)).error is None
            assert (await asked(key)).status_code == 401
            stop(server)
            assert (await asked(key)).status_code == 503, "what was revoked does not come back"
            server.ensure_postgres_running()


@contextmanager
def statements_of(running: Platform) -> Iterator[list[str]]:
    """Every statement that router sends to its database, but those of its housekeeping."""
    sent: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        task = asyncio.current_task()
        if task is None or "housekeeping" not in task.get_name():
            sent.append(statement)

    router: Any = running.apps["router"]
    event.listen(router._engine.sync_engine, "before_cursor_execute", note)
    try:
        yield sent
    finally:
        event.remove(router._engine.sync_engine, "before_cursor_execute", note)


async def test_a_call_adds_no_sql_query(nats_url: str, tmp_path: Path) -> None:
    believed = {"rest_recheck_s": 60}
    async with reached(nats_url, tmp_path, rest=believed, router_reload_s=600.0) as (running, web):
        key, wanted = await key_of(running.bus, TENANT), {"to": SYNTHETIC_NUMBER, "from": CALLER}
        assert (await web.client.get("/v1/me", headers=key)).status_code == 200
        with statements_of(running) as sent:
            assert (await number_of(running)).error is None
            assert sent, "what router asks its database is seen"
            sent.clear()

            for at in range(3):
                await call_from_webhook_to_end(running, web, f"CA{at:032x}")
            given = await web.client.post("/v1/media-tokens", json=wanted, headers=key)
            await call_to_end(running, given.json()["token"], f"CA{9:032x}")
            assert sent == []
