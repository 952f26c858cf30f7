"""What is around a session under load: numbers, workers that take every call, and sessions as processes.

The workers are light, not false: each `assign` is a request over the bus to its own subject, and answered.
"""

from __future__ import annotations

import asyncio
import os
import random
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from nats.aio.msg import Msg

from contracts.channels import ASSIGN, HEARTBEAT
from contracts.examples.practice import RECEPTION
from contracts.identities import number_key
from contracts.messages import (
    Assigned,
    CallStarted,
    EndReason,
    Heartbeat,
    LegEnded,
    NumberSnapshot,
    OpenCall,
    Role,
)
from contracts.streams import ASSISTANTS_BUCKET, CALLS
from runtime.bus import Bus
from runtime.clock import SystemClock
from runtime.connection import connect
from runtime.settings import ProcessSettings
from runtime.storage import Bucket, ensure_stream
from runtime.tasks import TaskOwner
from runtime.telemetry import Telemetry

ROOT: Final = Path(__file__).parents[1]
GATEWAY: Final = "gateway-bench"
WORKERS: Final = {Role.STT: "stt-bench", Role.LLM: "llm-bench", Role.TTS: "tts-bench"}
LEFT: Final = LegEnded(reason=EndReason.CALLER_HUNG_UP, frames_in=0, frames_out=0, frames_dropped=0)
_HEARTBEAT_S: Final = 0.3
_READY_S: Final = 20.0


@asynccontextmanager
async def open_bus(url: str, name: str) -> AsyncIterator[Bus]:
    """A process's own bus, with its acknowledgements heard."""
    client = await connect(ProcessSettings(nats_url=url), name)
    tasks = TaskOwner(name)
    bus = Bus(client, SystemClock(), random.Random(), Telemetry(name).metrics(name), tasks)
    try:
        await bus.start()
        await ensure_stream(bus.jetstream, CALLS)
        yield bus
        await bus.settle(5)
    finally:
        await tasks.close()
        await client.close()


async def publish_numbers(bus: Bus, numbers: list[NumberSnapshot]) -> None:
    """Let every session know the numbers, as router does."""
    directory = await Bucket.open(bus, ASSISTANTS_BUCKET, NumberSnapshot)
    for number in numbers:
        await directory.put(number_key(number.number), number)


def a_number(number: str, tenant: str, limit: int, tenant_limit: int, reserve: int = 0) -> NumberSnapshot:
    """A number whose assistant is the example practice's."""
    return NumberSnapshot(
        number=number,
        tenant=tenant,
        tenant_name=tenant,
        max_concurrent_calls=limit,
        tenant_max_concurrent_calls=tenant_limit,
        tenant_inbound_reserve=reserve,
        assistant=RECEPTION,
    )


async def staff(bus: Bus, tasks: TaskOwner, capacity: int) -> None:
    """A worker of every role that takes each call, and a gateway, all of whom say that they live."""
    taken = Assigned().model_dump_json().encode()

    async def take(msg: Msg) -> None:
        await msg.respond(taken)

    for role, process in WORKERS.items():
        await bus.client.subscribe(ASSIGN.subject(role=role.value, process=process), cb=take)
    tasks.spawn(_beat(bus, capacity), "heartbeats")
    await bus.flush()


async def _beat(bus: Bus, capacity: int) -> None:
    while True:
        for role, process in {**WORKERS, Role.GATEWAY: GATEWAY}.items():
            beat = Heartbeat(role=role, process=process, at_us=0, calls=0, capacity=capacity)
            await bus.publish(HEARTBEAT.subject(role=role.value, process=process), beat)
        await asyncio.sleep(_HEARTBEAT_S)


class SessionProcess:
    """A real session process; `log` is what it has said."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._said = asyncio.Condition()
        self._reading = asyncio.create_task(self._read())
        self._ended = False
        self.log = ""

    @classmethod
    async def start(cls, url: str, **settings: object) -> SessionProcess:
        """Start one with these settings, and return once it is ready, leading or standing by."""
        clean = {name: value for name, value in os.environ.items() if not name.startswith("TRUNKLINE_")}
        ours = {f"TRUNKLINE_{name.upper()}": str(value) for name, value in settings.items()}
        session = cls(
            await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "session_service",
                cwd=ROOT,
                env={**clean, "TRUNKLINE_NATS_URL": url, "TRUNKLINE_EXIT_WITH_PARENT": "1", **ours},
                stdin=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.PIPE,
            )
        )
        await session.says("ready")
        return session

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def leads(self) -> bool:
        """Whether it has said that it leads."""
        return "leads, in term" in self.log

    async def says(self, text: str) -> None:
        """Return once its log holds `text`; raises RuntimeError with the log where it ends before."""
        async with asyncio.timeout(_READY_S), self._said:
            await self._said.wait_for(lambda: text in self.log or self._ended)
        if text not in self.log:
            raise RuntimeError(f"the session has ended:\n{self.log}")

    async def kill(self) -> None:
        """SIGKILL; returns when it is gone."""
        self._process.kill()
        await self._process.wait()
        await self._reading

    async def _read(self) -> None:
        assert self._process.stderr is not None
        while piece := await self._process.stderr.read(4096):
            async with self._said:
                self.log += piece.decode(errors="replace")
                self._said.notify_all()
        self._ended = True
        async with self._said:
            self._said.notify_all()


def started(request: OpenCall, number: NumberSnapshot) -> CallStarted:
    """That the call which was opened has begun."""
    return CallStarted(
        called=number.number,
        caller=request.caller,
        carrier_call_id=request.carrier_call_id,
        protocol="twilio",
        gateway=GATEWAY,
        assistant=number.assistant.id,
        language=number.assistant.language,
    )
