"""A session over a real nats-server, with workers and a gateway that answer on the bus."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from contracts.channels import (
    CALL_DETACHED,
    CALL_ENDED,
    CALL_REASSIGNED,
    CALL_REJECTED,
    HANG_UP,
    HEARTBEAT,
    SESSION_ACTIVE,
    SESSION_OPEN,
)
from contracts.errors import TrunklineError
from contracts.identities import CallRef, number_key
from contracts.messages import (
    ActiveCall,
    ActiveCalls,
    CommandReply,
    EndReason,
    Event,
    HangUp,
    Heartbeat,
    LegEnded,
    ListActiveCalls,
    NumberSnapshot,
    OpenCall,
    OpenCallReply,
    Role,
)
from contracts.streams import ASSISTANTS_BUCKET, CALLS_BUCKET
from runtime.bus import Bus
from runtime.process import Context
from runtime.settings import ProcessSettings
from runtime.storage import Bucket
from runtime.worker import RecentIds
from session_service.app import SERVICE
from session_service.settings import Settings
from tests.support.context import service_context
from tests.support.holding import Crew, Keeper, crew
from tests.support.waiting import eventually
from tests.unit.session_service.stage import GATEWAY, STARTED, TENANT, a_number, a_request

HEARTBEAT_S = 0.1
FAST = {
    "heartbeat_s": HEARTBEAT_S,
    "session_lost_after_s": 0.8,
    "session_ghost_after_s": 1.0,
    "session_assign_timeout_s": 0.4,
    "session_suspect_s": 0.4,
    "session_reattach_s": 1.0,
}
PATIENT: dict[str, Any] = {
    "session_lost_after_s": 10.0,
    "session_ghost_after_s": 60.0,
    "session_assign_timeout_s": 5.0,
}
"""Beside services that hold up the loop on which all of them are."""
WORKER_ROLES = (Role.STT, Role.LLM, Role.TTS)


@dataclass
class Town:
    """What is around the session, and everything that it said to the record."""

    nats_url: str
    bus: Bus
    numbers: Bucket[NumberSnapshot]
    calls: Bucket[ActiveCall]
    crews: dict[str, Crew]
    said: list[Event[Any]] = field(default_factory=list)
    hung_up: list[HangUp] = field(default_factory=list)
    quiet_ms: dict[str, int] = field(default_factory=dict)
    gateway: str = GATEWAY
    gateway_lives: bool = True

    def keeper(self, process: str) -> Keeper:
        return self.crews[process].keeper

    def said_of(self, ref: CallRef, name: str) -> list[Any]:
        return [event.body for event in self.said if event.ref == ref and type(event.body).__name__ == name]

    async def publish(self, snapshot: NumberSnapshot) -> None:
        await self.numbers.put(number_key(snapshot.number), snapshot)

    async def open(self, request: OpenCall | None = None) -> OpenCallReply:
        return await self.bus.request(SESSION_OPEN, request or a_request(), OpenCallReply, timeout_s=20)

    async def opened(self, *, answered: bool = True) -> CallRef:
        """An accepted call, whose leg is answered."""
        request = a_request()
        reply = await self.open(request)
        assert reply.error is None, reply.error
        ref = CallRef(TENANT, request.call)
        if answered:
            await self.bus.publish_event(ref, STARTED)
        return ref

    async def met(self) -> None:
        """Return once the session knows every worker: each was given a call, and these are over again."""
        refs: list[CallRef] = []
        seen: set[str] = set()

        async def all_seen() -> bool:
            request = a_request()
            seen.update((await self.open(request)).workers.values())
            refs.append(CallRef(TENANT, request.call))
            return seen == set(self.crews)

        await self.until(all_seen, "the session knows every worker")
        for ref in refs:
            await self.leg_ends(ref)
            await self.ends(ref, EndReason.CALLER_HUNG_UP)
        self.said.clear()

    async def active(self, tenant: str | None = None) -> list[str]:
        reply = await self.bus.request(
            SESSION_ACTIVE, ListActiveCalls(tenant=tenant), ActiveCalls, timeout_s=10
        )
        assert reply.error is None
        return sorted(call.call for call in reply.calls)

    async def leg_ends(self, ref: CallRef, reason: EndReason = EndReason.CALLER_HUNG_UP) -> None:
        body = LegEnded(reason=reason, frames_in=1, frames_out=1, frames_dropped=0)
        await self.bus.publish_event(ref, body)

    async def ends(self, ref: CallRef, reason: EndReason) -> None:
        """Return once the session has said, once, that the call is over, and nobody holds it any more."""
        await eventually(lambda: self.said_of(ref, "CallEnded"), "it is said that the call is over")
        said = self.said_of(ref, "CallEnded")
        assert [body.reason for body in said] == [reason], said
        await eventually(lambda: not self.holders(ref), "its workers let go of it")
        await self.until(lambda: self._struck(ref), "it is struck from KV")

    async def _struck(self, ref: CallRef) -> bool:
        return await self.calls.get(ref.call) is None

    def holders(self, ref: CallRef) -> list[str]:
        return sorted(process for process, each in self.crews.items() if ref in each.keeper.held)

    async def until(self, holds: Callable[[], Awaitable[bool]], what: str, timeout_s: float = 20.0) -> None:
        """Ask over the bus until it is so."""
        deadline_s = asyncio.get_running_loop().time() + timeout_s
        while not await holds():
            assert asyncio.get_running_loop().time() < deadline_s, f"not within {timeout_s:g} s: {what}"
            await asyncio.sleep(0.02)

    async def answer_hang_ups(self, ref: CallRef, fault: TrunklineError | None = None) -> None:
        """The gateway listens for the command to end this leg, and ends it."""

        async def hang_up(command: HangUp) -> CommandReply:
            self.hung_up.append(command)
            if fault is not None:
                raise fault
            await self.leg_ends(ref, command.reason)
            return CommandReply()

        subject = HANG_UP.subject(tenant=ref.tenant, call=ref.call)
        await self.bus.respond(subject, HangUp, CommandReply, hang_up)
        await self.bus.flush()

    async def beat(self) -> None:
        """The gateway says that it lives, until it does not."""
        while True:
            if self.gateway_lives:
                beat = Heartbeat(
                    role=Role.GATEWAY,
                    process=self.gateway,
                    at_us=0,
                    calls=0,
                    capacity=100,
                    quiet_ms=dict(self.quiet_ms),
                )
                await self.bus.publish(HEARTBEAT.subject(role="gateway", process=self.gateway), beat)
            await asyncio.sleep(HEARTBEAT_S)


@asynccontextmanager
async def town(nats_url: str, *, each: int = 1) -> AsyncIterator[Town]:
    """Workers, a gateway and one number; the session is the test's to start."""
    async with AsyncExitStack() as stack:
        failures: list[BaseException] = []
        context = await stack.enter_async_context(
            service_context(ProcessSettings(nats_url=nats_url), "town", on_task_failure=failures.append)
        )
        crews = {}
        for role in WORKER_ROLES:
            for index in range(each):
                process = f"{role}-{index + 1}"
                crews[process] = await stack.enter_async_context(
                    crew(nats_url, role, process, capacity=1000, heartbeat_s=HEARTBEAT_S)
                )
        there = Town(
            nats_url,
            context.bus,
            await Bucket.open(context.bus, ASSISTANTS_BUCKET, NumberSnapshot),
            await Bucket.open(context.bus, CALLS_BUCKET, ActiveCall),
            crews,
        )

        recent = RecentIds(100_000)

        async def hear(event: Event[Any]) -> None:
            if recent.is_new(event.id):
                there.said.append(event)

        await context.bus.on_every_call(hear, CALL_ENDED, CALL_REJECTED, CALL_REASSIGNED, CALL_DETACHED)
        await there.publish(a_number())
        context.tasks.spawn(there.beat(), "gateway")
        await context.bus.flush()
        yield there
        assert not failures, failures


@asynccontextmanager
async def session(nats_url: str, **changes: Any) -> AsyncIterator[Context]:
    """A running session service; a task of its that fails fails the test."""
    failures: list[BaseException] = []
    settings = Settings(nats_url=nats_url, **{**FAST, **changes})
    async with service_context(settings, "session", on_task_failure=failures.append) as context:
        app = SERVICE.build(settings, context)
        await app.start()
        await context.rpc.start()
        try:
            yield context
        finally:
            await context.rpc.stop()
            await app.drain()
            await app.stop()
    assert not failures, failures
