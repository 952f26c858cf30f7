"""The gateway's part on a real bus whose session and workers are the test's own words."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest

from contracts.channels import HEARTBEAT, SESSION_OPEN
from contracts.errors import ErrorCode
from contracts.identities import CallRef
from contracts.messages import (
    AssistantSnapshot,
    CallStarted,
    Heartbeat,
    LegEnded,
    OpenCall,
    OpenCallReply,
    Role,
    WireError,
)
from runtime.clock import SystemClock
from runtime.errors import SettingsError
from runtime.settings import ProcessSettings
from tests.support.context import service_context
from tests.support.platform import Record
from tests.support.waiting import eventually
from trunkline.bus_users import BusUsers
from trunkline.caller import Caller, Connect, Dialling
from trunkline.errors import CallRefused
from trunkline.nats_server import NatsServer
from trunkline.replaying.gateway_part import gateway_part

NUMBER, TENANT = "+15550100", "acme"
ASSISTANT = AssistantSnapshot(id="a", name="A", greeting="Hi.", prompt="")


def caller_over(connect: Connect) -> Caller:
    return Caller(Dialling("anywhere", NUMBER, "+15550123", "CA1"), SystemClock(), connect=connect)


async def test_a_call_is_opened_named_heard_and_ended_as_by_a_gateway(nats_url: str) -> None:
    beats: list[Heartbeat] = []
    frames: list[int] = []
    record = Record()
    async with service_context(ProcessSettings(nats_url=nats_url), "session") as context:
        bus = context.bus

        async def accept(asked: OpenCall) -> OpenCallReply:
            workers = {Role.STT: "stt-1", Role.LLM: "llm-1", Role.TTS: "tts-1"}
            await bus.on_events(CallRef(TENANT, asked.call), record.hear)
            await bus.flush()
            return OpenCallReply(tenant=TENANT, epoch=3, number=NUMBER, workers=workers, assistant=ASSISTANT)

        async def beat(one: Heartbeat) -> None:
            beats.append(one)

        await bus.respond(SESSION_OPEN.subject(), OpenCall, OpenCallReply, accept)
        await bus.on_messages(HEARTBEAT.wildcard(role="gateway"), Heartbeat, beat)
        await bus.on_frames("stt-1", lambda _, frame: frames.append(frame.epoch))
        await bus.flush()
        async with gateway_part(nats_url, 2, SystemClock(), random.Random(1)) as connect:
            async with caller_over(connect) as caller:
                (started,) = await record.wait_for(CallStarted)
                assert await caller.until(lambda: len(frames) > 5, within_s=20)
            (over,) = await record.wait_for(LegEnded)
        await eventually(lambda: beats[-1].draining, "its last word")
    assert started.gateway.startswith("replay-")
    assert over.frames_in > 5
    assert {event.epoch for event in record.events} == set(frames) == {3}
    assert {one.process for one in beats} == {started.gateway}
    assert (beats[0].role, beats[0].capacity, beats[0].draining) == (Role.GATEWAY, 2, False)


async def test_a_call_that_may_not_be_answered_is_closed_with_the_code_of_a_socket(nats_url: str) -> None:
    refusal = WireError(code=ErrorCode.UNKNOWN_NUMBER, status=404, message="nobody", mend="dial another")
    async with service_context(ProcessSettings(nats_url=nats_url), "session") as context:

        async def refuse(_: OpenCall) -> OpenCallReply:
            return OpenCallReply(error=refusal)

        await context.bus.respond(SESSION_OPEN.subject(), OpenCall, OpenCallReply, refuse)
        await context.bus.flush()
        async with (
            gateway_part(nats_url, 1, SystemClock(), random.Random(1)) as connect,
            asyncio.timeout(30),
        ):
            with pytest.raises(CallRefused) as refused:
                async with caller_over(connect) as caller:
                    await caller.until(lambda: False, within_s=10)
    assert refused.value.close_code == 4404


async def test_a_replay_is_a_user_of_its_own_to_a_guarded_bus(tmp_path: Path) -> None:
    users = BusUsers()
    with NatsServer(tmp_path, users=[users.operator, users.replayer]) as server:

        def at(name: str, password: str) -> str:
            return server.url.replace("://", f"://{name}:{password}@")

        replayer = users.replayer
        async with gateway_part(at(replayer.name, replayer.password), 1, SystemClock(), random.Random(1)):
            pass
        with pytest.raises(SettingsError, match="refuses user 'replay'"):
            async with gateway_part(at(replayer.name, "wrong"), 1, SystemClock(), random.Random(1)):
                pass
