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
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

import uvloop

from contracts.errors import TrunklineError
from contracts.streams import CALLS
from contracts.telemetry import LOOP_LAG
from runtime import logs, settings
from runtime.bus import Bus, connect
from runtime.clock import Clock, SystemClock
from runtime.health import Health, HealthServer
from runtime.rpc import RpcServer
from runtime.settings import ProcessSettings
from runtime.storage import ensure_stream
from runtime.tasks import TaskOwner
from runtime.telemetry import Metrics, Telemetry, Tracer

log = logging.getLogger(__name__)

SettingsT = TypeVar("SettingsT", bound=ProcessSettings)
_BEAT_S = 0.5


class App(Protocol):
    """A built service: `start` returns when ready, `drain` when its calls are gone; `stop` frees all."""

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
    """Run services in this process until a signal ends it. Exit status 1 when the start failed."""
    try:
        loaded = [settings.load(service.settings) for service in services]
        name = "+".join(service.name for service in services)
        process = loaded[0].process or f"{name.split('+')[0]}-{secrets.token_hex(3)}"
        logs.configure(process if len(services) == 1 else name, loaded[0].log_level, loaded[0].log_format)
        gc.freeze()
        uvloop.run(_Process(process, list(zip(services, loaded, strict=True))).run())
    except TrunklineError as error:
        sys.exit(f"error: {error}")


class _Process:
    """The life of one process."""

    def __init__(self, process: str, services: list[tuple[Service[Any], ProcessSettings]]) -> None:
        self._id = process
        self._services = services
        self._settings = services[0][1]
        self._clock = SystemClock()
        self._stop = asyncio.Event()
        self._failed = False
        self._tasks = TaskOwner(process, on_failure=self._fail)
        self._lag_s = 0.0

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        for name in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(name, self._on_signal)
        health = Health(self._clock.monotonic_s)
        server = HealthServer(health, self._settings.health_host, self._settings.health_port)
        telemetry = Telemetry(self._id, self._settings.otlp_endpoint)
        self._tasks.spawn(self._beat(health), "beat")
        if self._settings.exit_with_parent:
            self._tasks.spawn(self._watch_parent(os.getppid()), "parent")
        try:
            await self._serve(health, telemetry)
        finally:
            await self._tasks.close()
            server.close()
            telemetry.close()
        if self._failed:
            raise TrunklineError(f"{self._id} stopped because a task failed", mend="its log says which")

    async def _serve(self, health: Health, telemetry: Telemetry) -> None:
        client = await connect(self._settings, self._id)
        process_metrics = telemetry.metrics("process")
        process_metrics.gauge(LOOP_LAG, lambda: self._lag_s)
        rng = random.Random(secrets.randbits(128))
        bus = Bus(client, self._clock, rng, process_metrics, self._tasks)
        await bus.start()
        await ensure_stream(bus.jetstream, CALLS)
        apps: list[tuple[App, RpcServer]] = []
        health.require("bus", lambda: bus.connected)
        started = False
        health.require("started", lambda: started and not self._stop.is_set())
        try:
            for service, loaded in self._services:
                rpc = RpcServer(loaded, service.name, bus.reject)
                context = Context(
                    process=loaded.process or self._process_id(service.name),
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
                apps.append((app, rpc))
                await app.start()
                await rpc.start()
            started = True
            log.info("ready")
            await self._stop.wait()
            await self._drain(apps)
        finally:
            await self._shut(apps, bus)

    def _process_id(self, service: str) -> str:
        return self._id if len(self._services) == 1 else f"{service}-{self._id.rsplit('-', 1)[1]}"

    async def _drain(self, apps: list[tuple[App, RpcServer]]) -> None:
        self._stop.clear()  # a second signal ends the drain
        draining = [self._tasks.spawn(app.drain(), "drain") for app, _ in apps]
        impatient = self._tasks.spawn(self._cancel_on_stop(draining), "impatience")
        _, undone = await asyncio.wait(draining, timeout=self._settings.drain_timeout_s)
        impatient.cancel()
        self._stop.set()
        if undone:
            log.warning("not drained within %g s", self._settings.drain_timeout_s)
        for task in undone:
            task.cancel()

    async def _cancel_on_stop(self, draining: list[asyncio.Task[Any]]) -> None:
        await self._stop.wait()
        for task in draining:
            task.cancel()

    async def _shut(self, apps: list[tuple[App, RpcServer]], bus: Bus) -> None:
        for app, rpc in reversed(apps):
            await rpc.stop()
            await app.stop()
        if not await bus.settle(timeout_s=3.0):
            log.error("%d events were not acknowledged by the stream", bus.unacknowledged)
        await self._tasks.close()
        await bus.client.close()

    def _on_signal(self) -> None:
        self._stop.set()

    def _fail(self, _: BaseException) -> None:
        self._failed = True
        self._stop.set()

    async def _beat(self, health: Health) -> None:
        while True:
            due_s = self._clock.monotonic_s() + _BEAT_S
            await self._clock.sleep(_BEAT_S)
            self._lag_s = max(0.0, self._clock.monotonic_s() - due_s)
            health.beat()

    async def _watch_parent(self, parent: int) -> None:
        """A supervisor that was killed cannot stop its children: they notice that they were orphaned."""
        while os.getppid() == parent:
            await self._clock.sleep(0.5)
        log.warning("the parent process is gone")
        self._stop.set()
