"""A server of a NATS cluster dies under traffic: clients go on with the others, and nothing said is lost."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, suppress
from functools import partial
from pathlib import Path
from urllib.request import urlopen

import pytest
from nats.aio.client import Client

from contracts.advisories import CLIENT_DISCONNECTED, ClientDisconnected
from contracts.examples.practice import ACTIVE_CALL, CALL
from contracts.messages import ActiveCall, DtmfReceived
from contracts.streams import CALLS_BUCKET
from runtime.bus import Bus
from runtime.connection import connect
from runtime.errors import BusUnavailable
from runtime.process import Context
from runtime.settings import ProcessSettings
from runtime.storage import Bucket
from tests.support.bus_guests import guest
from tests.support.context import service_context
from tests.support.records import whole_record_of
from tests.support.waiting import eventually
from trunkline.bus_users import BusUsers
from trunkline.nats_server import NatsCluster, NatsServer

EVENTS = 300
SERVICES = ("gateway", "session", "llm")


@pytest.fixture
def users() -> BusUsers:
    return BusUsers()


@pytest.fixture
def cluster(tmp_path: Path, users: BusUsers) -> Iterator[NatsCluster]:
    """Three servers, guarded as that of `trunkline up`."""
    known = [users.of(name) for name in SERVICES]
    with NatsCluster(tmp_path, users=known) as servers:
        yield servers


@pytest.fixture
async def contexts(cluster: NatsCluster, users: BusUsers) -> AsyncIterator[dict[str, Context]]:
    """Services that keep three copies of everything. Of these, llm may read what was said in a call."""
    failures: list[BaseException] = []
    async with AsyncExitStack() as stack:
        yield {
            name: await stack.enter_async_context(
                service_context(
                    settings(cluster, users, name), name, process=f"{name}-1", on_task_failure=failures.append
                )
            )
            for name in SERVICES
        }
    assert not failures, failures


def settings(cluster: NatsCluster, users: BusUsers, service: str) -> ProcessSettings:
    user = users.of(service)
    return ProcessSettings(
        nats_url=cluster.url, nats_user=user.name, nats_password=user.password, nats_replicas=3
    )


def server_of(client: Client, cluster: NatsCluster) -> NatsServer:
    assert client.connected_url is not None
    port = client.connected_url.port
    return next(one for one in cluster.servers if one.port == port)


async def test_no_event_is_lost_when_the_server_of_its_speaker_is_killed(
    cluster: NatsCluster, contexts: dict[str, Context]
) -> None:
    speaker = contexts["gateway"].bus
    bucket = await Bucket.open(contexts["session"].bus, CALLS_BUCKET, ActiveCall)
    await bucket.put(ACTIVE_CALL.call, ACTIVE_CALL)
    doomed = server_of(speaker.client, cluster)
    said = []
    for number in range(EVENTS):
        if number == EVENTS // 3:
            doomed.kill()
        event = await speaker.publish_event(CALL, DtmfReceived(digit_pii=str(number % 10)))
        said.append(event.id)
        await asyncio.sleep(0.005)  # traffic that lasts
    await eventually(lambda: speaker.unacknowledged == 0, "every event stored", 30)
    assert server_of(speaker.client, cluster) is not doomed
    found = await asyncio.wait_for(stored(contexts["llm"].bus, len(said)), 20)
    assert sorted(found) == sorted(said)
    await asyncio.to_thread(cluster.await_health)
    assert await bucket.get(ACTIVE_CALL.call) == ACTIVE_CALL
    await asyncio.to_thread(doomed.start)
    await asyncio.to_thread(cluster.await_health)


async def stored(reader: Bus, count: int) -> list[str]:
    """The id of every event of the call that the stream holds, each as often as it does; `count` or more."""
    while True:
        with suppress(BusUnavailable):  # the stream's leader is being elected
            found = [event.id for event in await whole_record_of(reader, CALL)]
            if len(found) >= count:
                return found
        await asyncio.sleep(0.1)


async def test_a_lost_connection_is_heard_of_at_every_server(cluster: NatsCluster, users: BusUsers) -> None:
    at_first, at_last = cluster.servers[0].url, cluster.servers[-1].url
    async with guest(at_first, users.of("session")) as session:
        heard = await session.listen(CLIENT_DISCONNECTED)
        user = users.of("gateway")
        here = ProcessSettings(nats_url=at_last, nats_user=user.name, nats_password=user.password)
        client = await connect(here, "gateway-7")
        await client.close()
        while True:
            msg = await asyncio.wait_for(heard.get(), 20)
            if ClientDisconnected.model_validate_json(msg.data).client.name == "gateway-7":
                break


async def test_what_is_made_has_a_copy_on_every_server(
    cluster: NatsCluster, contexts: dict[str, Context]
) -> None:
    session = contexts["session"].bus
    bucket = await Bucket.open(session, CALLS_BUCKET, ActiveCall)
    await bucket.put(ACTIVE_CALL.call, ACTIVE_CALL)
    assert (await session.jetstream.stream_info(f"KV_{CALLS_BUCKET.name}")).config.num_replicas == 3


async def test_a_watch_outlives_the_server_that_had_it(
    cluster: NatsCluster, contexts: dict[str, Context]
) -> None:
    context = contexts["session"]
    bucket = await Bucket.open(context.bus, CALLS_BUCKET, ActiveCall)
    seen: set[str] = set()
    caught_up = asyncio.Event()

    async def see(key: str, _: ActiveCall | None) -> None:
        seen.add(key)

    context.tasks.spawn(bucket.watch(see, caught_up.set), "watch")
    await caught_up.wait()
    (host,) = {name for server in cluster.servers for name in await asyncio.to_thread(watched_at, server)}
    cluster.running[host].kill()
    await context.bus.until_done(partial(bucket.put, "later", ACTIVE_CALL))
    await eventually(lambda: "later" in seen, "the change is seen", 20)


def watched_at(server: NatsServer) -> list[str]:
    """The servers that have the watches of which this one knows."""
    with urlopen(f"http://127.0.0.1:{server.monitor_port}/jsz?accounts=true&consumers=true") as answer:
        report = json.load(answer)
    streams = [stream for account in report["account_details"] for stream in account.get("stream_detail", [])]
    watches = [watch for stream in streams for watch in stream.get("consumer_detail") or []]
    return [watch["cluster"]["leader"] for watch in watches]


async def test_who_makes_something_while_its_leader_is_away_waits_until_there_is_one(
    cluster: NatsCluster, contexts: dict[str, Context]
) -> None:
    session = contexts["session"].bus
    doomed = cluster.leader
    doomed.kill()
    opening = asyncio.create_task(Bucket.open(session, CALLS_BUCKET, ActiveCall))
    await asyncio.to_thread(doomed.start)  # three copies need three servers
    bucket = await opening
    await asyncio.to_thread(cluster.await_health)
    await bucket.put(ACTIVE_CALL.call, ACTIVE_CALL)
    assert await bucket.get(ACTIVE_CALL.call) == ACTIVE_CALL
