"""A service's Context inside the test's own process, on a real connection."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from contracts.streams import CALLS
from runtime.bus import Bus
from runtime.clock import Clock, SystemClock
from runtime.connection import connect
from runtime.health import Health
from runtime.process import Context
from runtime.rpc import RpcServer
from runtime.settings import ProcessSettings
from runtime.storage import ensure_stream
from runtime.tasks import TaskOwner
from runtime.telemetry import Telemetry


@asynccontextmanager
async def service_context(
    settings: ProcessSettings,
    service: str,
    *,
    process: str | None = None,
    clock: Clock | None = None,
    on_task_failure: Callable[[BaseException], None] | None = None,
) -> AsyncIterator[Context]:
    """Connect, make the stream, yield the Context, and take everything down again."""
    clock = clock or SystemClock()
    rng = random.Random(7)
    telemetry = Telemetry(process or service)
    client = await connect(settings, process or service)
    tasks = TaskOwner(service, on_task_failure)
    metrics = telemetry.metrics(service)
    bus = Bus(client, clock, rng, metrics, tasks)
    try:
        await bus.start()
        await ensure_stream(bus.jetstream, CALLS, client.replicas)
        yield Context(
            process=process or f"{service}-test",
            bus=bus,
            rpc=RpcServer(settings, service, bus.reject),
            clock=clock,
            rng=rng,
            metrics=metrics,
            tracer=telemetry.tracer,
            tasks=tasks,
            health=Health(clock.monotonic_s),
        )
        await bus.settle(timeout_s=2)
    finally:
        await tasks.close()
        await client.close()
        telemetry.close()
