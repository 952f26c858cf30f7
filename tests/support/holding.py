"""A worker's holder that keeps what it is told, and the assignments to tell it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from contracts.errors import TrunklineError
from contracts.examples.practice import CALL, RECEPTION, WORKERS
from contracts.identities import CallRef
from contracts.messages import Assign, Event, Role
from runtime.process import Context
from runtime.settings import ProcessSettings
from runtime.shares import TenantShares
from runtime.worker import Worker
from tests.support.context import service_context


def an_assignment(ref: CallRef = CALL, epoch: int = 1) -> Assign:
    return Assign(
        call=ref.call,
        tenant=ref.tenant,
        epoch=epoch,
        gateway="gateway-1",
        workers=WORKERS,
        assistant=RECEPTION,
    )


def _open_gate() -> asyncio.Event:
    gate = asyncio.Event()
    gate.set()
    return gate


@dataclass
class Keeper:
    """A CallHolder: `held` is what it holds, `story` everything in order. A closed `gate` makes it slow.

    Each step waits in its midst, as real ones do: what is done between two steps of one call shows.
    """

    refusal: TrunklineError | None = None
    held: set[CallRef] = field(default_factory=set)
    story: list[str] = field(default_factory=list)
    histories: list[tuple[Event[Any], ...]] = field(default_factory=list)
    heard: list[Event[Any]] = field(default_factory=list)
    gate: asyncio.Event = field(default_factory=_open_gate)
    fault: Exception | None = None

    async def take(self, assign: Assign, history: tuple[Event[Any], ...]) -> None:
        self.story.append(f"take {assign.epoch}")
        self.histories.append(history)
        await self._pause()
        if self.refusal is not None:
            raise self.refusal
        self.held.add(CallRef(assign.tenant, assign.call))
        self.story.append(f"took {assign.epoch}")

    async def on_event(self, event: Event[Any]) -> None:
        assert event.ref in self.held
        self.story.append(f"hear {type(event.body).__name__}")
        self.heard.append(event)
        await self._pause()
        if self.fault is not None:
            fault, self.fault = self.fault, None
            raise fault
        self.story.append(f"heard {type(event.body).__name__}")

    async def drop(self, ref: CallRef) -> None:
        self.story.append("drop")
        await self._pause()
        self.held.discard(ref)
        self.story.append("dropped")

    async def _pause(self) -> None:
        await asyncio.sleep(0)
        await self.gate.wait()


@dataclass
class Crew:
    """A running worker on its own connection."""

    worker: Worker
    keeper: Keeper
    context: Context
    shares: TenantShares


@asynccontextmanager
async def crew(
    nats_url: str,
    role: Role = Role.LLM,
    process: str = "llm-1",
    *,
    keeper: Keeper | None = None,
    capacity: int = 10,
    heartbeat_s: float = 0.1,
    room: Callable[[], int | None] = lambda: None,
) -> AsyncIterator[Crew]:
    """A worker of `role` that listens; a task of its that fails fails the test."""
    failures: list[BaseException] = []
    settings = ProcessSettings(nats_url=nats_url)
    async with service_context(
        settings, role.value, process=process, on_task_failure=failures.append
    ) as context:
        keeper, shares = keeper or Keeper(), TenantShares()
        worker = Worker(
            role,
            process,
            capacity,
            keeper,
            bus=context.bus,
            clock=context.clock,
            metrics=context.metrics,
            tasks=context.tasks,
            heartbeat_s=heartbeat_s,
            shares=shares,
            room=room,
        )
        await worker.start()
        await context.bus.flush()
        yield Crew(worker, keeper, context, shares)
        keeper.gate.set()
        await worker.stop()
    assert not failures, failures
