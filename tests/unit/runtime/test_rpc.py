"""What a service offers: many requests at once, shared by replicas, junk answered with its fault."""

from __future__ import annotations

import asyncio
import json
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from contracts.channels import SESSION_ACTIVE
from contracts.errors import ErrorCode, TrunklineError
from contracts.messages import ActiveCalls, ListActiveCalls
from runtime.bus import Bus, parse
from runtime.process import Context
from runtime.settings import ProcessSettings
from tests.support.context import service_context
from tests.support.waiting import eventually
from trunkline.nats_server import NatsServer

Answer = Callable[[ListActiveCalls], Awaitable[ActiveCalls]]


@asynccontextmanager
async def serving(nats_url: str, answer: Answer, process: str = "session-1") -> AsyncIterator[Context]:
    async with service_context(ProcessSettings(nats_url=nats_url), "session", process=process) as context:
        context.rpc.serve(SESSION_ACTIVE, ActiveCalls, answer)
        await context.rpc.start()
        try:
            yield context
        finally:
            await context.rpc.stop()


async def ask(bus: Bus) -> ActiveCalls:
    return await bus.request(SESSION_ACTIVE, ListActiveCalls(), ActiveCalls, timeout_s=20)


async def at_once(_: ListActiveCalls) -> ActiveCalls:
    return ActiveCalls()


async def test_a_slow_answer_keeps_no_other_waiting(nats_url: str) -> None:
    waiting = 0
    everybody = asyncio.Event()

    async def answer(_: ListActiveCalls) -> ActiveCalls:
        nonlocal waiting
        waiting += 1
        if waiting == 50:
            everybody.set()
        await everybody.wait()
        return ActiveCalls()

    async with serving(nats_url, answer) as context:
        assert await asyncio.gather(*(ask(context.bus) for _ in range(50))) == [ActiveCalls()] * 50


async def test_replicas_share_the_work(nats_url: str) -> None:
    asked = [0, 0]

    def counting(index: int) -> Answer:
        async def answer(_: ListActiveCalls) -> ActiveCalls:
            asked[index] += 1
            return ActiveCalls()

        return answer

    async with serving(nats_url, counting(0)) as one, serving(nats_url, counting(1), "session-2"):
        for _ in range(40):
            await ask(one.bus)
        assert sum(asked) == 40, "each request is answered by one of them"
        assert min(asked) > 0


async def test_junk_and_failures_are_answered_with_what_is_wrong(nats_url: str) -> None:
    async def refuse(_: ListActiveCalls) -> ActiveCalls:
        raise TrunklineError("the table is locked", mend="wait")

    async def answer_to(bus: Bus, data: bytes) -> ActiveCalls:
        return parse(ActiveCalls, (await bus.client.request(SESSION_ACTIVE.subject(), data, timeout=20)).data)

    async with serving(nats_url, refuse) as context:
        for data, code, said in (
            (b"{broken", ErrorCode.BAD_MESSAGE, "ListActiveCalls: message: Invalid JSON"),
            (b"", ErrorCode.BAD_MESSAGE, "ListActiveCalls: message: Invalid JSON"),
            (b'{"tenant": 7}', ErrorCode.BAD_MESSAGE, "ListActiveCalls: tenant: Input should be"),
            (b"\xff\x00", ErrorCode.BAD_MESSAGE, "ListActiveCalls: message: Invalid JSON"),
            (b"{}", ErrorCode.INTERNAL, "the table is locked"),
        ):
            reply = await answer_to(context.bus, data)
            assert reply.error is not None
            assert reply.error.code is code
            assert reply.error.message.startswith(said)


async def test_what_is_being_answered_is_finished_before_it_stops(nats_url: str) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def answer(_: ListActiveCalls) -> ActiveCalls:
        begun.set()
        await go_on.wait()
        return ActiveCalls()

    async with serving(nats_url, answer) as context:
        asking = asyncio.create_task(ask(context.bus))
        await begun.wait()
        stopping = asyncio.create_task(context.rpc.stop())
        await asyncio.sleep(0)
        go_on.set()
        assert await asking == ActiveCalls()
        await stopping


async def test_it_answers_again_after_a_restart_of_nats(nats_server: NatsServer) -> None:
    async with serving(nats_server.url, at_once) as context:
        assert await ask(context.bus) == ActiveCalls()
        nats_server.stop()
        await eventually(lambda: not context.bus.connected, "it notices")
        nats_server.start()
        answered: list[ActiveCalls] = []

        async def try_it() -> None:
            try:
                answered.append(await ask(context.bus))
            except TrunklineError:
                await asyncio.sleep(0.05)

        async with asyncio.timeout(30):
            while not answered:
                await try_it()


def open_connections(server: NatsServer) -> int:
    with urllib.request.urlopen(f"http://127.0.0.1:{server.monitor_port}/connz", timeout=5) as answer:
        return len(json.load(answer)["connections"])


async def test_a_service_that_serves_nothing_opens_no_connection(nats_server: NatsServer) -> None:
    async with service_context(ProcessSettings(nats_url=nats_server.url), "probe") as context:
        await context.rpc.start()
        assert await asyncio.to_thread(open_connections, nats_server) == 1, "that of the bus"
        await context.rpc.stop()
