"""One term of the leader: what it keeps in memory, and what only it hears, does and answers.

Everything here is built anew from KV when a term begins and thrown away when it ends. What a standby keeps
warm (the numbers, and who was heard) is handed in.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Iterable
from typing import Any, Final

from nats.aio.subscription import Subscription

from contracts.advisories import CLIENT_DISCONNECTED, ClientDisconnected
from contracts.channels import (
    CALL_STARTED,
    LEG_ENDED,
    SESSION_ACTIVE,
    SESSION_CALLS,
    SESSION_COUNTS,
    SESSION_END,
    SESSION_OPEN,
)
from contracts.errors import TrunklineError
from contracts.messages import (
    ActiveCalls,
    CountCalls,
    CountedCalls,
    EndCall,
    EndCallReply,
    Heartbeat,
    ListActiveCalls,
    ListLiveCalls,
    LiveCalls,
    NumberSnapshot,
    OpenCall,
    OpenCallReply,
)
from runtime.connection import leave
from runtime.listening import Listening
from runtime.process import Context
from session_service.admission import Admission
from session_service.core import Core, Ports
from session_service.errors import NotLeading
from session_service.guard import LeadersChronicle, LeadersFloor, LeadersHerald, LeadersStore
from session_service.handlers import BusChronicle, BusFloor, BusHerald, Handlers
from session_service.inquiries import Inquiries
from session_service.leadership import Mandate
from session_service.ports import CallStore
from session_service.settings import Settings

log = logging.getLogger(__name__)

_SWEEP_S: Final = 0.5
_LOOK_OUT_S: Final = 0.1
_LOOK_S: Final = 0.02


class Reign:
    """One term, not begun."""

    def __init__(
        self,
        settings: Settings,
        context: Context,
        numbers: dict[str, NumberSnapshot],
        store: CallStore,
        mandate: Mandate,
        *,
        heard: Iterable[Heartbeat],
    ) -> None:
        self._settings = settings
        self._context = context
        self._mandate = mandate
        self._heard = heard
        self._spawned: set[asyncio.Task[Any]] = set()
        clock, bus = context.clock, context.bus
        self.admission = Admission(
            settings.session_max_calls,
            numbers,
            inbound_reserve=settings.session_inbound_reserve,
            capacity=lambda: self._core.roster.capacity(clock.monotonic_s()),
        )
        ports = Ports(
            store=LeadersStore(store, mandate),
            floor=LeadersFloor(BusFloor(bus, settings.session_assign_timeout_s), mandate),
            chronicle=LeadersChronicle(BusChronicle(bus, context.metrics), mandate),
            herald=LeadersHerald(BusHerald(bus, context.metrics), mandate),
        )
        self._core = Core.of(settings, self.admission, ports, clock=clock, spawn=self._spawn)
        self._handlers = Handlers(
            self._core.lifecycle,
            self._core.watch,
            mandate,
            spawn=self._spawn,
            metrics=context.metrics,
            tracer=context.tracer,
        )
        self._inquiries = Inquiries(self._core.lifecycle, self.admission, self._handlers.leading, clock)
        self._subscriptions: list[Subscription | Listening] = []
        self._questions: list[Subscription] = []

    async def begin(self) -> None:
        """Take up the calls in KV, learn what became of them meanwhile, and begin to answer."""
        bus, handlers = self._context.bus, self._handlers
        await self._core.lifecycle.restore()
        for beat in self._heard:
            await handlers.heartbeat(beat)
        self._subscriptions += await bus.on_every_call(handlers.started, CALL_STARTED)
        self._subscriptions += await bus.on_every_call(handlers.leg_ended, LEG_ENDED)
        advisories = await bus.on_messages(CLIENT_DISCONNECTED, ClientDisconnected, handlers.disconnected)
        self._subscriptions.append(advisories)
        await bus.flush()
        await self._core.lifecycle.catch_up()
        self._spawn(self._sweep(), "sweep")
        self._spawn(self._look_out(), "look out")
        await self._meet()
        asked = self._inquiries
        self._questions += [
            await bus.respond(SESSION_ACTIVE.subject(), ListActiveCalls, ActiveCalls, handlers.active),
            await bus.respond(SESSION_CALLS.subject(), ListLiveCalls, LiveCalls, asked.calls),
            await bus.respond(SESSION_COUNTS.subject(), CountCalls, CountedCalls, asked.counts),
            await bus.respond(SESSION_END.subject(), EndCall, EndCallReply, asked.end),
            await bus.respond(SESSION_OPEN.subject(), OpenCall, OpenCallReply, handlers.open),
        ]
        await bus.flush()

    async def stop_answering(self) -> None:
        """Take no new question; return when those in hand are answered."""
        await leave(*self._questions)
        while self._handlers.opening and self._mandate.holds_now():
            await self._context.clock.sleep(_LOOK_S)

    async def end(self) -> None:
        """Hear and do nothing any more; what is under way is stopped by its mandate."""
        await leave(*self._questions, *self._subscriptions)
        while self._spawned:
            for task in self._spawned:
                task.cancel()
            await asyncio.wait(set(self._spawned))

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        """Run a task of this term: it ends with it, and to be deposed in its midst is no fault."""
        task = self._context.tasks.spawn(_while_leading(work), name)
        self._spawned.add(task)
        task.add_done_callback(self._spawned.discard)

    async def heartbeat(self, beat: Heartbeat) -> None:
        """A process lives."""
        await self._handlers.heartbeat(beat)

    async def catch_up(self) -> None:
        """The bus was away: learn what it did not carry."""
        await self._core.lifecycle.catch_up()

    async def _meet(self) -> None:
        """Hear some worker of every role, or as long as each of them takes to say that it lives.

        To answer before that would be to refuse calls for want of workers that are there.
        """
        clock = self._context.clock
        until_s = clock.monotonic_s() + 1.5 * self._settings.heartbeat_s
        while not self._core.roster.complete(clock.monotonic_s()) and clock.monotonic_s() < until_s:
            await clock.sleep(_LOOK_S)

    async def _look_out(self) -> None:
        while True:
            await self._context.clock.sleep(_LOOK_OUT_S)
            if self._mandate.holds_now():
                self._core.watch.look()

    async def _sweep(self) -> None:
        while True:
            await self._context.clock.sleep(_SWEEP_S)
            if not self._mandate.holds_now():
                continue
            try:
                await self._core.watch.sweep()
            except TrunklineError as error:
                log.warning("calls will be looked after again: %s", error)


async def _while_leading(work: Coroutine[Any, Any, None]) -> None:
    try:
        await work
    except NotLeading as error:
        log.info("left to the next leader: %s", error)
