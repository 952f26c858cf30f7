"""From `python -m some_service` to a running process: settings, bus, telemetry, health, signals, drain.

A service is a name, a settings class and `build`. Several services may share one process: they share its
connection and its health port, nothing else.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import random
import secrets
import signal
import sys
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

import uvloop

from contracts.errors import TrunklineError
from contracts.streams import CALLS
from contracts.telemetry import LOOP_LAG, LOOP_TASKS
from runtime import logs, settings
from runtime.bus import Bus
from runtime.clock import Clock, SystemClock
from runtime.connection import Connection, connect
from runtime.errors import BusUnavailable, ProcessFailed
from runtime.health import Health, HealthServer
from runtime.rpc import RpcServer
from runtime.settings import ProcessSettings
from runtime.storage import ensure_stream
from runtime.tasks import TaskOwner
from runtime.telemetry import Metrics, Telemetry, Tracer

log = logging.getLogger(__name__)

SettingsT = TypeVar("SettingsT", bound=ProcessSettings)
_BEAT_S = 0.5
_SETTLE_S = 3.0
_STOP_S = 10.0
_GARBAGE = (20_000, 20, 20)
"""Audio is thousands of small tuples that wait a while: after each 700 of them, as Python has it, to look
through what is young finds no cycle and costs a tenth of a process.
"""


class App(Protocol):
    """A built service: `start` returns when ready, `drain` when its calls are gone; `stop` frees all.

    `stop` is called also where `start` failed or was cancelled.
    """

    async def start(self) -> None:
        """Subscribe and begin; the service is ready when this returns."""
        ...

    async def drain(self) -> None:
        """Take nothing new; return when what is in hand is done."""
        ...

    async def stop(self) -> None:
        """Free everything."""
        ...


@dataclass(frozen=True, slots=True)
class Context:
    """What the plumbing gives to a service's `build`."""

    process: str
    bus: Bus
    rpc: RpcServer
    clock: Clock
    rng: random.Random
    metrics: Metrics
    tracer: Tracer
    tasks: TaskOwner
    health: Health


@dataclass(frozen=True, slots=True)
class Service(Generic[SettingsT]):
    """One service: its name (a process id is this and a suffix), its settings and how it is built."""

    name: str
    settings: type[SettingsT]
    build: Callable[[SettingsT, Context], App]


def run(*services: Service[Any]) -> None:
    """Run services in this process until a signal ends it.

    A first SIGTERM or SIGINT drains, a second one stops at once. Exit status 1, with a line that says why,
    when a start or a task failed.
    """
    try:
        loaded = [settings.load(service.settings) for service in services]
        names = [service.name for service in services]
        suffix = secrets.token_hex(3)
        ids = [_process_id(name, loaded[0].process, suffix, alone=len(names) == 1) for name in names]
        process = ids[0] if len(ids) == 1 else f"{'+'.join(names)}-{loaded[0].process or suffix}"
        logs.configure(process, loaded[0].log_level, loaded[0].log_format)
        gc.set_threshold(*_GARBAGE)
        uvloop.run(_Process(process, list(zip(services, loaded, ids, strict=True))).run())
    except TrunklineError as error:
        sys.exit(f"error: {error}")


def _process_id(service: str, given: str | None, suffix: str, *, alone: bool) -> str:
    """Audio is addressed to a process id: services that share a process have one each."""
    return given if given and alone else f"{service}-{given or suffix}"


class _Process:
    """The life of one process."""

    def __init__(self, name: str, services: list[tuple[Service[Any], ProcessSettings, str]]) -> None:
        self._name = name
        self._services = services
        self._settings = services[0][1]
        self._clock = SystemClock()
        self._stop = asyncio.Event()
        self._hurry = asyncio.Event()
        self._failure: BaseException | None = None
        self._tasks = TaskOwner(name, on_failure=self._fail)
        self._apps: list[App] = []
        self._started = False
        self._lag_s = 0.0
        self._loop_tasks = 0

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._on_signal)
        health = Health(self._clock.monotonic_s)
        health.require("started", lambda: self._started and not self._stop.is_set())
        server = HealthServer(health, self._settings.health_host, self._settings.health_port)
        telemetry = Telemetry(self._name, self._settings.otlp_endpoint)
        self._tasks.spawn(self._beat(health), "beat")
        if self._settings.exit_with_parent:
            self._tasks.spawn(self._watch_parent(os.getppid()), "parent")
        try:
            async with AsyncExitStack() as stack:
                if await self._unless_stopped(self._start(stack, health, telemetry)):
                    log.info("ready; health on http://%s:%d", self._settings.health_host, server.port)
                    await self._stop.wait()
                    await self._drain()
        finally:
            await self._tasks.close()
            server.close()
            telemetry.close()
        if self._failure is not None:
            raise ProcessFailed(
                f"{self._name} stopped because a task failed: {self._failure}", mend="see its log"
            )

    async def _start(self, stack: AsyncExitStack, health: Health, telemetry: Telemetry) -> None:
        """Connect and start every service; `stack` takes what is to be undone, also if this fails midway."""
        client = await connect(self._settings, self._name)
        client.when_closed.append(self._on_closed)
        stack.push_async_callback(self._disconnect, client)
        process_metrics = telemetry.metrics("process")
        process_metrics.gauge(LOOP_LAG, lambda: self._lag_s)
        process_metrics.gauge(LOOP_TASKS, lambda: self._loop_tasks)
        rng = random.Random(secrets.randbits(128))
        bus = Bus(client, self._clock, rng, process_metrics, self._tasks)
        health.require("bus", lambda: bus.connected)
        await bus.start()
        stack.push_async_callback(self._settle, bus)
        await ensure_stream(bus.jetstream, CALLS, client.replicas)
        for service, loaded, process in self._services:
            rpc = RpcServer(loaded, service.name, bus.reject)
            context = Context(
                process=process,
                bus=bus,
                rpc=rpc,
                clock=self._clock,
                rng=rng,
                metrics=telemetry.metrics(service.name),
                tracer=telemetry.tracer,
                tasks=self._tasks,
                health=health,
            )
            app = service.build(loaded, context)
            stack.push_async_callback(_within, _STOP_S, app.stop, f"stopping {service.name}")
            stack.push_async_callback(_within, _STOP_S, rpc.stop, f"stopping the requests of {service.name}")
            self._apps.append(app)
            await app.start()
            await rpc.start()
        await bus.flush()
        gc.collect()
        gc.freeze()  # what is here now stays: no collection need look at it again
        self._started = True

    async def _unless_stopped(self, work: Coroutine[Any, Any, None]) -> bool:
        """Do `work`, or give it up when the process is to stop; whether it was done."""
        working = asyncio.ensure_future(work)
        stop = asyncio.ensure_future(self._stop.wait())
        await asyncio.wait({working, stop}, return_when=asyncio.FIRST_COMPLETED)
        stop.cancel()
        if working.cancel():
            await asyncio.wait({working})
        if not working.cancelled():
            working.result()
        return not working.cancelled()

    async def _drain(self) -> None:
        """Let every service finish what it has in hand, unless the time is up or somebody is impatient."""
        drained = self._tasks.spawn(_all(app.drain() for app in self._apps), "drain")
        hurry = self._tasks.spawn(self._hurry.wait(), "hurry")
        limit_s = self._settings.drain_timeout_s
        await asyncio.wait({drained, hurry}, timeout=limit_s, return_when=asyncio.FIRST_COMPLETED)
        if not drained.done():
            why = "told to stop at once" if self._hurry.is_set() else f"not drained within {limit_s:g} s"
            log.warning("stopping with work in hand: %s", why)
        for task in (drained, hurry):
            task.cancel()
        await asyncio.wait({drained, hurry})

    async def _settle(self, bus: Bus) -> None:
        if not await bus.settle(_SETTLE_S):
            log.error("%d events were not acknowledged by the stream", bus.unacknowledged)

    async def _disconnect(self, client: Connection) -> None:
        client.when_closed.clear()
        await self._tasks.close()
        await client.close()

    def _on_signal(self) -> None:
        if self._stop.is_set():
            self._hurry.set()
        self._stop.set()

    def _on_closed(self) -> None:
        self._fail(BusUnavailable("NATS closed the connection for good", mend="see the log of nats-server"))

    def _fail(self, error: BaseException) -> None:
        """What failed cannot be drained: nobody knows what it left undone."""
        self._failure = self._failure or error
        self._stop_at_once()

    def _stop_at_once(self) -> None:
        self._stop.set()
        self._hurry.set()

    async def _beat(self, health: Health) -> None:
        while True:
            due_s = self._clock.monotonic_s() + _BEAT_S
            await self._clock.sleep(_BEAT_S)
            self._lag_s = max(0.0, self._clock.monotonic_s() - due_s)
            self._loop_tasks = len(asyncio.all_tasks())
            health.beat()

    async def _watch_parent(self, parent: int) -> None:
        """A supervisor that was killed cannot stop its children: they notice that they were orphaned."""
        while os.getppid() == parent:
            await self._clock.sleep(0.5)
        log.warning("the parent process is gone")
        self._stop_at_once()


async def _all(works: Iterable[Coroutine[Any, Any, None]]) -> None:
    try:
        async with asyncio.TaskGroup() as group:
            for work in works:
                group.create_task(work)
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from None


async def _within(limit_s: float, work: Callable[[], Awaitable[None]], doing: str) -> None:
    """Do `work`, but let neither its failure nor its slowness keep the rest from being stopped."""
    try:
        async with asyncio.timeout(limit_s):
            await work()
    except TimeoutError:
        log.error("%s took longer than %g s", doing, limit_s)
    except Exception:
        log.exception("%s failed", doing)
