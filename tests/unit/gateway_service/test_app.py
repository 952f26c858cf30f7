"""Start, drain and stop of the gateway as a process part."""

import asyncio
import socket
import sys
from collections.abc import Iterator

import pytest

from contracts.errors import ErrorCode
from contracts.messages import EndReason, Outcome, PlayoutEnded
from gateway_service.app import SERVICE, build
from gateway_service.settings import Settings
from runtime.errors import PortInUse
from tests.support.context import service_context
from tests.support.waiting import eventually
from tests.unit.gateway_service.agent_audio import reply_end, sentence
from tests.unit.gateway_service.stand import Caller, gateway_stand


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield other.getsockname()[1]


async def test_a_port_in_use_is_named_with_the_setting_that_mends_it(nats_url: str, taken_port: int) -> None:
    settings = Settings(nats_url=nats_url, gateway_port=taken_port)
    async with service_context(settings, "gateway") as context:
        app = build(settings, context)
        with pytest.raises(PortInUse, match=f"127.0.0.1:{taken_port}: .*TRUNKLINE_GATEWAY_PORT") as caught:
            await app.start()
        await app.stop()
    assert caught.value.code is ErrorCode.BAD_CONFIGURATION


async def test_the_process_exits_with_1_and_one_line_when_the_port_is_in_use(
    nats_url: str, taken_port: int
) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        SERVICE.name + "_service",
        env={"TRUNKLINE_NATS_URL": nats_url, "TRUNKLINE_GATEWAY_PORT": str(taken_port)},
        stderr=asyncio.subprocess.PIPE,
    )
    _, stderr = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 1
    last = stderr.decode().splitlines()[-1]
    assert last.startswith("error: ")
    assert f":{taken_port}" in last
    assert "Traceback" not in stderr.decode()


async def test_a_draining_gateway_refuses_newcomers_and_lets_the_agent_finish(nats_url: str) -> None:
    async with gateway_stand(nats_url) as stand, Caller.at(stand.app.url) as caller:
        ref = await stand.call(caller)
        await stand.speak(ref, sentence(1, 0, 1000))
        await eventually(lambda: caller.sound, "the agent speaks")
        draining = asyncio.create_task(stand.app.drain())
        await eventually(lambda: stand.beats and stand.beats[-1].draining, "a heartbeat that says so")
        async with Caller.at(stand.app.url) as newcomer:
            code, reason = await newcomer.closed()
            assert code == 1012
            assert reason.startswith("We are sorry, all lines are busy")
        assert caller.code is None
        await stand.speak(ref, [reply_end(1)])
        await asyncio.wait_for(draining, 20)
        assert await caller.closed() == (1012, "drained")
        assert len(caller.sound) == 50
        assert (await stand.ended(PlayoutEnded)).outcome is Outcome.DONE
        assert (await stand.ended()).reason is EndReason.DRAINED


async def test_a_draining_gateway_does_not_wait_for_ever_and_leaves_the_reply_to_the_next(
    nats_url: str,
) -> None:
    async with (
        gateway_stand(nats_url, gateway_drain_patience_s=0.1) as stand,
        Caller.at(stand.app.url) as caller,
    ):
        ref = await stand.call(caller)
        await stand.speak(ref, sentence(1, 0, 5000))
        await eventually(lambda: caller.sound, "the agent speaks")
        await asyncio.wait_for(stand.app.drain(), 20)
        assert await caller.closed() == (1012, "drained")
        assert (await stand.ended()).reason is EndReason.DRAINED
        assert not stand.bodies(PlayoutEnded)


async def test_a_gateway_that_stops_tells_its_callers_and_the_bus(nats_url: str) -> None:
    async with gateway_stand(nats_url) as stand, Caller.at(stand.app.url) as caller:
        await stand.call(caller)
        await stand.app.stop()
        assert await caller.closed() == (1012, "drained")
        assert (await stand.ended()).reason is EndReason.DRAINED


async def test_it_is_ready_while_it_listens(nats_url: str) -> None:
    async with gateway_stand(nats_url) as stand:
        assert stand.gateway.health.missing() == []
        await stand.app.stop()
        assert stand.gateway.health.missing() == ["media"]
