"""Every service tries every subject of the platform on a real nats-server: what is not its own is refused.

What is expected is read off the channel table here once more, in the plainest way, subject by subject.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

import analytics_service.app
from analytics_service.settings import Settings as AnalyticsSettings
from contracts.advisories import ADVISORY_LISTENERS, CLIENT_DISCONNECTED, ClientDisconnected
from contracts.channel import Channel, Plane
from contracts.channels import ASSIGN, CALL_REASSIGNED, CHANNELS, HANG_UP, SESSION_OPEN
from contracts.examples.practice import CALL
from contracts.messages import CallEnded, EndReason, PlayoutEnded, TurnEnded
from contracts.permissions import OPERATOR, SERVICES, inbox_prefix
from contracts.wire import every_event_of
from runtime.connection import connect
from runtime.errors import SettingsError
from runtime.settings import ProcessSettings
from tests.support.bus_guests import Guest, guest
from tests.support.callers import caller_to, noise
from tests.support.platform import SYNTHETIC_NUMBER, platform, who_is
from tests.support.resting import service
from tests.support.web import key_of, rest_beside
from trunkline.bus_client import open_bus
from trunkline.bus_users import ACCOUNT, BusUsers
from trunkline.ledger import read_ledger
from trunkline.nats_server import NatsServer
from trunkline.workers import LIGHT

ROLES = ("gateway", "stt", "llm", "tts")
TOKENS = {
    "process": "p1",
    "tenant": CALL.tenant,
    "call": CALL.call,
    "number": "15550100",
    "digest": "0a" * 32,
}
EVERYTHING = (
    ">",
    "*.>",
    "$JS.>",
    "$SYS.>",
    "$KV.>",
    "_INBOX.>",
    "call.>",
    "live.>",
    "cmd.>",
    "rpc.>",
    "worker.>",
)


CONNECTED = """
import asyncio
from runtime.connection import connect
from runtime.settings import ProcessSettings, load
async def main():
    await connect(load(ProcessSettings), "stt-1")
    print("up", flush=True)
    await asyncio.Event().wait()
asyncio.run(main())
"""


@pytest.fixture
def users() -> BusUsers:
    return BusUsers()


@pytest.fixture
def guarded(tmp_path: Path, users: BusUsers) -> Iterator[NatsServer]:
    """A nats-server as `trunkline up` configures it, with a user for each service and for the light ones."""
    known = [*(users.of(service) for service in SERVICES), users.of(*LIGHT)]
    with NatsServer(tmp_path / "nats", users=known) as server:
        yield server


@pytest.fixture
async def guests(guarded: NatsServer, users: BusUsers) -> AsyncIterator[dict[str, Guest]]:
    """Every service, connected."""
    async with AsyncExitStack() as stack:
        yield {
            service: await stack.enter_async_context(guest(guarded.url, users.of(service)))
            for service in SERVICES
        }


def subjects_of(row: Channel[Any]) -> dict[str, tuple[set[str], set[str]]]:
    """Each concrete subject of a row, with who may publish on it and who may hear it."""
    tokens = {kind: TOKENS[kind] for kind in row.tokens if kind != "role"}
    speakers, hearers = set(row.producers), set(row.consumers)
    if row.plane is Plane.KV:
        hearers = set()  # read through the bucket's stream
    if "role" not in row.tokens:
        return {row.subject(**tokens): (speakers, hearers)}
    return {row.subject(role=role, **tokens): _of_role(role, speakers, hearers) for role in ROLES}


def _of_role(role: str, speakers: set[str], hearers: set[str]) -> tuple[set[str], set[str]]:
    """One side of such a row is the worker that its role token names."""
    if role in speakers:
        return {role}, hearers
    return (speakers, {role}) if role in hearers else (set(), set())


def expected() -> dict[str, tuple[set[str], set[str]]]:
    """Both directions of audio have one pattern, so rows are joined by subject."""
    table: dict[str, tuple[set[str], set[str]]] = {}
    for row in CHANNELS:
        for subject, (speakers, hearers) in subjects_of(row).items():
            said, heard = table.setdefault(subject, (set(), set()))
            said |= speakers
            heard |= hearers
    return table


TABLE = expected()


@pytest.mark.parametrize("service", SERVICES)
async def test_a_service_may_publish_what_is_its_own_and_nothing_else(
    guarded: NatsServer, users: BusUsers, service: str
) -> None:
    async with guest(guarded.url, users.of(service)) as one:
        may = {subject for subject in TABLE if await one.may_publish(subject)}
    assert may == {subject for subject, (speakers, _) in TABLE.items() if service in speakers}


@pytest.mark.parametrize("service", SERVICES)
async def test_a_service_may_hear_what_is_for_it_and_nothing_else(
    guarded: NatsServer, users: BusUsers, service: str
) -> None:
    async with guest(guarded.url, users.of(service)) as one:
        may = {subject for subject in TABLE if await one.may_hear(subject)}
        assert may == {subject for subject, (_, hearers) in TABLE.items() if service in hearers}
        assert [subject for subject in EVERYTHING if await one.may_hear(subject)] == []
        others = [f"{inbox_prefix(other)}.>" for other in SERVICES if other != service]
        assert [subject for subject in others if await one.may_hear(subject)] == []
        assert await one.may_hear(f"{inbox_prefix(service)}.>")


async def test_what_is_said_reaches_each_who_is_to_hear_it(guests: dict[str, Guest]) -> None:
    for subject, (speakers, hearers) in TABLE.items():
        queues = [await guests[hearer].listen(subject) for hearer in hearers]
        for speaker in speakers:
            await guests[speaker].client.publish(subject, speaker.encode())
        for queue in queues:
            heard = {(await asyncio.wait_for(queue.get(), 20)).data.decode() for _ in speakers}
            assert heard == speakers


@pytest.mark.parametrize("queue_group", ["", "eavesdroppers"], ids=["alone", "in a queue group"])
@pytest.mark.parametrize("pattern", [every_event_of(CALL), "call.*.*.>", "call.*.*.*.*"])
async def test_whoever_holds_a_call_hears_of_it_only_what_is_for_him(
    guests: dict[str, Guest], pattern: str, queue_group: str
) -> None:
    record = [row for row in CHANNELS if row.plane is Plane.RECORD]
    heard = {
        role: await guests[role].listen(pattern, f"{queue_group}-{role}" if queue_group else "")
        for role in ROLES
    }
    for row in record:
        for producer in row.producers:
            await guests[producer].client.publish(row.subject(tenant=CALL.tenant, call=CALL.call), b"{}")
        await guests[row.producers[0]].client.flush()
    for role, queue in heard.items():
        wanted = [row for row in record if role in row.consumers]
        count = sum(len(row.producers) for row in wanted)
        told = [(await asyncio.wait_for(queue.get(), 20)).subject for _ in range(count)]
        assert {subject.split(".", 3)[3] for subject in told} == {row.name for row in wanted}
        assert queue.empty()


@pytest.mark.parametrize(
    ("request_to", "allowed"),
    [
        ("STREAM.CREATE.CALLS", set(SERVICES) - {OPERATOR}),
        ("STREAM.UPDATE.CALLS", {"session"}),
        ("STREAM.CREATE.OTHER", set()),
        ("STREAM.DELETE.CALLS", set()),
        ("STREAM.PURGE.CALLS", set()),
        ("STREAM.MSG.GET.CALLS", set()),
        ("STREAM.MSG.DELETE.CALLS", set()),
        ("STREAM.SNAPSHOT.CALLS", set()),
        ("STREAM.LIST", set()),
        ("DIRECT.GET.CALLS", {"stt", "llm", "tts"}),
        ("DIRECT.GET.KV_calls", set()),
        ("CONSUMER.CREATE.CALLS", {OPERATOR}),
        ("CONSUMER.CREATE.CALLS.mine", set()),
        ("CONSUMER.DURABLE.CREATE.CALLS.analytics", {"analytics"}),
        ("CONSUMER.MSG.NEXT.CALLS.analytics", {"analytics"}),
        ("CONSUMER.DELETE.CALLS.analytics", set()),
        ("CONSUMER.CREATE.KV_assistants", {"rest", "router", "session", OPERATOR}),
        ("STREAM.MSG.GET.KV_assistants", {"rest", "router", "session", OPERATOR}),
        ("STREAM.MSG.GET.KV_answers", {"rest"}),
        ("STREAM.PURGE.KV_assistants", set()),
        ("STREAM.DELETE.KV_assistants", set()),
        ("CONSUMER.CREATE.KV_calls", {"session"}),
        ("STREAM.MSG.GET.KV_calls", {"session"}),
    ],
)
async def test_jetstream_does_for_each_what_it_needs(
    guests: dict[str, Guest], request_to: str, allowed: set[str]
) -> None:
    asked = {name for name, one in guests.items() if await one.may_publish(f"$JS.API.{request_to}")}
    assert asked == allowed


async def test_the_newest_event_of_a_call_can_be_looked_up_by_those_it_concerns(
    guests: dict[str, Guest],
) -> None:
    for row in CHANNELS:
        if row.plane is not Plane.RECORD:
            continue
        subject = f"$JS.API.DIRECT.GET.CALLS.{row.subject(tenant=CALL.tenant, call=CALL.call)}"
        may = {name for name, one in guests.items() if await one.may_publish(subject)}
        concerned = {*row.producers, *row.consumers} - {"analytics", OPERATOR} - {*ASSIGN.consumers}
        borders = {*ASSIGN.consumers} if row is CALL_REASSIGNED else set()
        assert may == concerned | borders, row.name


async def test_an_answer_is_for_the_question_and_once(guests: dict[str, Guest]) -> None:
    gateway, session = guests["gateway"], guests["session"]
    asked = await session.listen(SESSION_OPEN.subject())
    answering = asyncio.create_task(gateway.client.request(SESSION_OPEN.subject(), b"may I?", timeout=20))
    question = await asyncio.wait_for(asked.get(), 20)
    assert await session.may_publish(question.reply)
    assert (await answering).data == b"{}"
    assert not await session.may_publish(question.reply), "it answered already"
    assert not await session.may_publish(f"{inbox_prefix('gateway')}.made.up")


async def test_another_hangs_up_no_call(guests: dict[str, Guest]) -> None:
    hung_up = await guests["gateway"].listen(HANG_UP.wildcard())
    for name in set(SERVICES) - {"session"}:
        assert not await guests[name].may_publish(HANG_UP.subject(tenant=CALL.tenant, call=CALL.call))
    assert hung_up.empty()


async def test_services_in_one_process_are_a_user_that_may_do_what_each_of_them_may(
    guarded: NatsServer, users: BusUsers
) -> None:
    async with guest(guarded.url, users.of(*LIGHT)) as one:
        may = {subject for subject in TABLE if await one.may_publish(subject)}
        assert may == {subject for subject, (said, _) in TABLE.items() if said & set(LIGHT)}
        may = {subject for subject in TABLE if await one.may_hear(subject)}
        assert may == {subject for subject, (_, heard) in TABLE.items() if heard & set(LIGHT)}


@pytest.mark.parametrize(
    ("name", "password"),
    [("", ""), ("gateway", "wrong"), ("gateway", ""), ("nobody", "x"), ("session", "the gateway's")],
)
async def test_nobody_gets_in_under_a_false_name(
    guarded: NatsServer, users: BusUsers, name: str, password: str
) -> None:
    password = users.of("gateway").password if password == "the gateway's" else password
    settings = ProcessSettings(
        nats_url=guarded.url, nats_user=name, nats_password=password, nats_connect_timeout_s=10
    )
    with pytest.raises(SettingsError, match=f"NATS refuses user '{name}'"):
        await connect(settings, "intruder")


@pytest.mark.parametrize("spread", [True, False], ids=["each its own user", "the light ones in one"])
async def test_a_whole_call_is_held_and_recorded_under_these_permissions(
    guarded: NatsServer, users: BusUsers, tmp_path: Path, caplog: pytest.LogCaptureFixture, spread: bool
) -> None:
    own = {name: users.of(*LIGHT) if name in LIGHT and not spread else users.of(name) for name in SERVICES}
    analytics = AnalyticsSettings(
        nats_url=guarded.url, home=tmp_path, analytics_batch_s=0.1, **who_is(own["analytics"])
    )
    async with (
        service(analytics_service.app.SERVICE, analytics),
        platform(guarded.url, tmp_path, users=own) as running,
    ):
        async with caller_to(running) as caller:
            await running.record.wait_for(PlayoutEnded)
            call = await running.only_call()
            said = caller.say(noise(0.6))
            await said.finished.wait()
            await running.record.wait_for(PlayoutEnded, 2)
        (ended,) = await running.record.wait_for(CallEnded)
        assert ended.reason is EndReason.CALLER_HUNG_UP
        assert len(running.record.bodies(TurnEnded)) == 1
        operator = own[OPERATOR]
        address = guarded.url.replace("://", f"://{operator.name}:{operator.password}@")
        async with open_bus(address) as bus:
            turns = await read_ledger(bus, call, within_s=30)
        assert len(turns) == 1
        for context in running.contexts.values():
            assert context.bus.unacknowledged == 0
    assert "permissions violation" not in caplog.text.lower()


async def test_rest_reads_published_numbers_and_keeps_answers_under_these_permissions(
    guarded: NatsServer, users: BusUsers, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    own = {name: users.of(name) for name in SERVICES}
    async with (
        platform(guarded.url, tmp_path, users=own) as running,
        rest_beside(guarded.url, tmp_path, **who_is(own["rest"])) as web,
    ):
        key = await key_of(running.bus, "load-lab")
        headers = {**key, "Idempotency-Key": "one"}
        wanted = {"to": SYNTHETIC_NUMBER, "from": "front desk"}
        first = await web.client.post("/v1/media-tokens", json=wanted, headers=headers)
        assert first.status_code == 201, first.text
        again = await web.client.post("/v1/media-tokens", json=wanted, headers=headers)
        assert again.json() == first.json()
        numbers = await web.context.bus.jetstream.key_value("answers")
        assert (await numbers.status()).values == 1
    assert "permissions violation" not in caplog.text.lower()
    assert "no number can be looked up" not in caplog.text


async def test_the_session_hears_at_once_whose_connection_is_gone(
    guarded: NatsServer, users: BusUsers
) -> None:
    stt = users.of("stt")
    env = {**os.environ, **stt.environment, "TRUNKLINE_NATS_URL": guarded.url}
    async with guest(guarded.url, users.of("session")) as session:
        heard = await session.listen(CLIENT_DISCONNECTED)
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", CONNECTED, env=env, stdout=asyncio.subprocess.PIPE
        )
        assert process.stdout is not None
        assert await process.stdout.readline() == b"up\n"
        process.kill()
        gone = ClientDisconnected.model_validate_json((await asyncio.wait_for(heard.get(), 20)).data)
        assert gone.client.name == "stt-1"
        await process.wait()


@pytest.mark.parametrize("service", SERVICES)
async def test_of_what_the_server_says_nobody_else_hears_anything(
    guarded: NatsServer, users: BusUsers, service: str
) -> None:
    said = (
        CLIENT_DISCONNECTED,
        CLIENT_DISCONNECTED.replace("*", ACCOUNT),
        "$SYS.ACCOUNT.*.CONNECT",
        "$SYS.>",
    )
    async with guest(guarded.url, users.of(service)) as one:
        may = {subject for subject in said if await one.may_hear(subject)}
        assert may == (set(said[:2]) if service in ADVISORY_LISTENERS else set())
        assert not await one.may_publish(CLIENT_DISCONNECTED.replace("*", ACCOUNT))
