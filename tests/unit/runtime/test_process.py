"""Real processes on a real nats-server: how they start, drain, fail and leave."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from contracts.channels import ANALYTICS_QUERY, DTMF_RECEIVED, SESSION_ACTIVE
from contracts.messages import ActiveCalls, DtmfReceived, ListActiveCalls, SqlQuery, SqlResult
from contracts.streams import CALLS
from runtime.settings import ProcessSettings
from runtime.storage import last_event
from tests.support.child import Child, child
from tests.support.context import service_context
from tests.support.tiny_service import REF
from trunkline.nats_server import NatsServer, free_port
from trunkline.ports import free_ports


@asynccontextmanager
async def tiny(nats_url: str, *services: str, **settings: str) -> AsyncIterator[Child]:
    env = {"TRUNKLINE_NATS_URL": nats_url} | {
        f"TRUNKLINE_{name.upper()}": value for name, value in settings.items()
    }
    async with child("-m", "tests.support.tiny_service", *(services or ("one",)), env=env) as running:
        yield running


async def get(url: str) -> tuple[int, str]:
    def ask() -> tuple[int, str]:
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    return await asyncio.to_thread(ask)


async def health_of(process: Child) -> str:
    return (await process.says(r"ready; health on (http://\S+)"))[1]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_drains_and_the_last_word_reaches_the_stream(
    nats_url: str, number: signal.Signals
) -> None:
    async with tiny(nats_url) as process:
        await process.says("ready")
        process.send(number)
        assert await process.exits() == 0
        assert process.log.index("one is drained") < process.log.index("one is stopped")
    async with service_context(ProcessSettings(nats_url=nats_url), "probe") as context:
        subject = DTMF_RECEIVED.subject(tenant=REF.tenant, call=REF.call)
        event = await last_event(context.bus.jetstream, CALLS, subject)
        assert event is not None
        assert event.body == DtmfReceived(digit_pii="0")


async def test_it_is_alive_and_not_ready_while_it_drains_and_a_second_signal_ends_that(nats_url: str) -> None:
    async with tiny(nats_url, tiny_drain="hangs") as process:
        health = await health_of(process)
        assert (await get(f"{health}/readyz"))[0] == 200
        process.send(signal.SIGTERM)
        await process.says("one drains")
        status, body = await get(f"{health}/readyz")
        assert (status, '"started"' in body) == (503, True)
        assert (await get(f"{health}/healthz"))[0] == 200
        process.send(signal.SIGTERM)
        assert await process.exits() == 0
        assert "stopping with work in hand: told to stop at once" in process.log
        assert "one is stopped" in process.log


async def test_it_is_not_ready_before_it_has_found_the_bus() -> None:
    nats_port, health_port = free_ports(2)
    async with tiny(f"nats://127.0.0.1:{nats_port}", health_port=str(health_port)) as process:
        await process.says("NATS: ")
        status, body = await get(f"http://127.0.0.1:{health_port}/readyz")
        assert (status, '"started"' in body) == (503, True)


async def test_a_drain_ends_when_its_time_is_up(nats_url: str) -> None:
    async with tiny(nats_url, tiny_drain="hangs", drain_timeout_s="0.2") as process:
        await process.says("ready")
        process.send(signal.SIGTERM)
        assert await process.exits() == 0
        assert "not drained within 0.2 s" in process.log


async def test_a_failing_task_ends_the_process_with_its_name_and_without_a_drain(nats_url: str) -> None:
    async with tiny(nats_url, tiny_task="fails_when_asked", tiny_drain="hangs") as process:
        await process.says("ready")
        async with service_context(ProcessSettings(nats_url=nats_url), "probe") as context:
            await context.bus.request(SESSION_ACTIVE, ListActiveCalls(), ActiveCalls, timeout_s=20)
        assert await process.exits() == 1
        assert ":wheel failed: the wheel came off" in process.log
        assert "Traceback" in process.log
        assert "one is stopped" in process.log
        assert process.log.strip().splitlines()[-1].startswith("error: one-")
        assert "stopped because a task failed: the wheel came off (see its log)" in process.log


async def test_a_failing_drain_is_a_failing_task(nats_url: str) -> None:
    async with tiny(nats_url, tiny_drain="fails") as process:
        await process.says("ready")
        process.send(signal.SIGTERM)
        assert await process.exits() == 1
        assert "one is stopped" in process.log
        assert "a task failed: the wheel came off" in process.log


async def test_a_failing_start_is_an_exit_status(nats_url: str) -> None:
    async with tiny(nats_url, tiny_start="fails") as process:
        assert await process.exits() == 1
        assert "RuntimeError: the wheel came off" in process.log
        assert "ready" not in process.log


async def test_a_signal_ends_a_start_that_hangs(nats_url: str) -> None:
    async with tiny(nats_url, tiny_start="hangs") as process:
        await process.says("one is one-")
        process.send(signal.SIGTERM)
        assert await process.exits() == 0
        assert "one is stopped" in process.log
        assert "drains" not in process.log


async def test_a_failing_task_ends_a_start_that_hangs(nats_url: str) -> None:
    async with tiny(nats_url, tiny_start="hangs", tiny_task="fails_at_start") as process:
        assert await process.exits() == 1
        assert "a task failed: the wheel came off" in process.log
        assert "one is stopped" in process.log


async def test_a_bad_setting_is_named_with_its_variable() -> None:
    async with tiny("nats://127.0.0.1:1", health_port="many") as process:
        assert await process.exits() == 1
        assert "error: TRUNKLINE_HEALTH_PORT='many'" in process.log
        assert "(correct TRUNKLINE_HEALTH_PORT)" in process.log
        assert "Traceback" not in process.log


async def test_without_nats_it_says_so_and_ends() -> None:
    port = free_port()
    async with tiny(f"nats://user:secret@127.0.0.1:{port}", nats_connect_timeout_s="0.5") as process:
        assert await process.exits() == 1
        assert f"error: no NATS server answers at nats://127.0.0.1:{port} within 0.5 s" in process.log
        assert "(start it, or set TRUNKLINE_NATS_URL)" in process.log
        assert "secret" not in process.log
        assert "Traceback" not in process.log
        assert process.log.count("refused") == 2, "one line while it tries, one at the end"


async def test_a_signal_ends_the_wait_for_nats() -> None:
    async with tiny(f"nats://127.0.0.1:{free_port()}", nats_connect_timeout_s="60") as process:
        await process.says("NATS: .*refused")
        process.send(signal.SIGTERM)
        assert await process.exits() == 0


async def test_a_taken_health_port_is_named(nats_url: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        async with tiny(nats_url, health_port=str(port)) as process:
            assert await process.exits() == 1
            assert f"error: cannot serve health on 127.0.0.1:{port}" in process.log
            assert "TRUNKLINE_HEALTH_PORT" in process.log


async def test_it_leaves_without_a_drain_when_its_parent_is_gone(nats_url: str) -> None:
    parent = (
        "import subprocess, sys, time;"
        "subprocess.Popen([sys.executable, '-m', 'tests.support.tiny_service', 'one']);"
        "time.sleep(600)"
    )
    env = {
        "TRUNKLINE_NATS_URL": nats_url,
        "TRUNKLINE_EXIT_WITH_PARENT": "1",
        "TRUNKLINE_TINY_DRAIN": "hangs",
    }
    async with child("-c", parent, env=env) as process:
        await process.says("ready")
        os.kill(process.pid, signal.SIGKILL)
        await process.silenced()
        assert "the parent process is gone" in process.log
        assert "one is stopped" in process.log


async def test_services_that_share_a_process_have_ids_and_metrics_of_their_own(nats_url: str) -> None:
    async with tiny(nats_url, "one", "two", process="light") as process:
        health = await health_of(process)
        await process.says("one is one-light")
        await process.says("two is two-light")
        async with service_context(ProcessSettings(nats_url=nats_url), "probe") as context:
            reply = await context.bus.request(SESSION_ACTIVE, ListActiveCalls(), ActiveCalls, timeout_s=20)
            assert reply == ActiveCalls()
            rows = await context.bus.request(ANALYTICS_QUERY, SqlQuery(sql="2"), SqlResult, timeout_s=20)
            assert rows.columns == ("2",)
        _, metrics = await get(f"{health}/metrics")
        counts = [line for line in metrics.splitlines() if line.startswith("trunkline_stale_epoch_total{")]
        for name in ("one", "two"):
            (count,) = [line for line in counts if f'service="{name}"' in line]
            assert count.endswith(" 1.0")
        process.send(signal.SIGTERM)
        assert await process.exits() == 0


async def test_one_service_that_fails_to_stop_does_not_keep_the_other_from_it(nats_url: str) -> None:
    async with tiny(nats_url, "two", "one", tiny_stop="fails") as process:
        await process.says("ready")
        process.send(signal.SIGTERM)
        assert await process.exits() == 0
        assert "stopping one failed" in process.log
        assert "two is stopped" in process.log


async def test_it_outlives_a_restart_of_nats(nats_server: NatsServer) -> None:
    async with tiny(nats_server.url) as process:
        health = await health_of(process)
        nats_server.stop()
        await process.says("NATS: ")
        status, body = await get(f"{health}/readyz")
        assert (status, '"bus"' in body) == (503, True)
        nats_server.start()
        await process.says("connected to NATS again")
        async with service_context(ProcessSettings(nats_url=nats_server.url), "probe") as context:
            answers: list[ActiveCalls] = []

            async def ask() -> None:
                answers.append(
                    await context.bus.request(SESSION_ACTIVE, ListActiveCalls(), ActiveCalls, timeout_s=20)
                )

            await context.bus.until_done(ask)
            assert answers == [ActiveCalls()]
        process.send(signal.SIGTERM)
        assert await process.exits() == 0
