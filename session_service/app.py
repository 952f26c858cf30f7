"""Wires the session service."""

from __future__ import annotations

import asyncio
import logging

from contracts.advisories import CLIENT_DISCONNECTED, ClientDisconnected
from contracts.channels import HEARTBEAT, LEG_ENDED, SESSION_ACTIVE, SESSION_OPEN
from contracts.errors import TrunklineError
from contracts.messages import (
    ActiveCall,
    ActiveCalls,
    Heartbeat,
    NumberSnapshot,
    OpenCallReply,
)
from contracts.streams import ASSISTANTS_BUCKET, CALLS_BUCKET
from contracts.telemetry import CALLS_HELD
from runtime.process import Context, Service
from runtime.storage import Bucket
from session_service.admission import Admission
from session_service.core import Core, Ports
from session_service.handlers import BusChronicle, BusFloor, BusHerald, Handlers
from session_service.roster import Roster
from session_service.settings import Settings
from session_service.watch import Watch

log = logging.getLogger(__name__)

_SWEEP_S = 0.5
_LOOK_OUT_S = 0.1
_LOOK_S = 0.02


class SessionApp:
    """The running service."""

    def __init__(self, settings: Settings, context: Context) -> None:
        self._settings = settings
        self._context = context
        self._admission = Admission(settings.session_max_calls)
        self._directory_read = asyncio.Event()

    async def start(self) -> None:
        """Read the directory and the calls in KV, listen to who lives, then begin to answer."""
        settings, context = self._settings, self._context
        numbers = await Bucket.open(context.bus, ASSISTANTS_BUCKET, NumberSnapshot)
        context.tasks.spawn(numbers.watch(self._number_changed, self._directory_read.set), "directory")
        await self._directory_read.wait()
        ports = Ports(
            store=await Bucket.open(context.bus, CALLS_BUCKET, ActiveCall),
            floor=BusFloor(context.bus, settings.session_assign_timeout_s),
            chronicle=BusChronicle(context.bus, context.metrics),
            herald=BusHerald(context.bus, context.metrics),
        )
        core = Core.of(settings, self._admission, ports, clock=context.clock, spawn=context.tasks.spawn)
        lifecycle, watch = core.lifecycle, core.watch
        handlers = Handlers(lifecycle, watch, metrics=context.metrics, tracer=context.tracer)
        context.metrics.gauge(CALLS_HELD, lambda: len(self._admission))
        await lifecycle.restore()
        await context.bus.on_messages(HEARTBEAT.wildcard(), Heartbeat, handlers.heartbeat)
        await context.bus.on_messages(CLIENT_DISCONNECTED, ClientDisconnected, handlers.disconnected)
        await context.bus.on_every_call(handlers.leg_ended, LEG_ENDED)
        await context.bus.flush()
        await lifecycle.catch_up()
        context.bus.on_reconnected(lifecycle.catch_up)
        context.tasks.spawn(self._sweep(watch), "sweep")
        context.tasks.spawn(self._look_out(watch), "look out")
        await self._meet(core.roster)
        context.rpc.serve(SESSION_OPEN, OpenCallReply, handlers.open)
        context.rpc.serve(SESSION_ACTIVE, ActiveCalls, handlers.active)

    async def _meet(self, roster: Roster) -> None:
        """Hear some worker of every role, or as long as each of them takes to say that it lives.

        To answer before that would be to refuse calls for want of workers that are there.
        """
        clock = self._context.clock
        until_s = clock.monotonic_s() + 1.5 * self._settings.heartbeat_s
        while not roster.complete(clock.monotonic_s()) and clock.monotonic_s() < until_s:
            await clock.sleep(_LOOK_S)

    async def drain(self) -> None:
        """Nothing to wait for: every decision is in KV when it is answered."""

    async def stop(self) -> None:
        """Tasks and connections belong to the process."""

    async def _number_changed(self, key: str, snapshot: NumberSnapshot | None) -> None:
        if snapshot is None:
            self._admission.numbers.pop(key, None)
        else:
            self._admission.numbers[key] = snapshot

    async def _look_out(self, watch: Watch) -> None:
        while True:
            await self._context.clock.sleep(_LOOK_OUT_S)
            watch.look()

    async def _sweep(self, watch: Watch) -> None:
        while True:
            await self._context.clock.sleep(_SWEEP_S)
            try:
                await watch.sweep()
            except TrunklineError as error:
                log.warning("calls will be looked after again: %s", error)


def build(settings: Settings, context: Context) -> SessionApp:
    """The service, not started."""
    return SessionApp(settings, context)


SERVICE = Service("session", Settings, build)
