"""One term of the leader: what it keeps in memory, and what only it hears, does and answers.

Everything here is built anew from KV when a term begins and thrown away when it ends. What a standby keeps
warm (the numbers, and who was heard) is handed in.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any, Final

import nats.errors
from nats.aio.subscription import Subscription

from contracts.channels import (
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
from runtime.listening import Listening
from runtime.process import Context
from session_service.admission import Admission
from session_service.assigning import Assigner
from session_service.guard import LeadersChronicle, LeadersFloor, LeadersStore
from session_service.handlers import BusChronicle, BusFloor, Handlers
from session_service.inquiries import Inquiries
from session_service.leadership import Mandate
from session_service.lifecycle import Lifecycle
from session_service.ports import CallStore
from session_service.roster import Roster
from session_service.settings import Settings
from session_service.watch import Watch

log = logging.getLogger(__name__)

_SWEEP_S: Final = 0.5
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
        heard: Iterable[tuple[Heartbeat, float]],
    ) -> None:
        self._settings = settings
        self._context = context
        self._mandate = mandate
        clock = context.clock
        self.roster = Roster(settings.session_lost_after_s)
        for beat, heard_s in heard:
            self.roster.heard(beat, heard_s)
        self.admission = Admission(
            settings.session_max_calls,
            numbers,
            inbound_reserve=settings.session_inbound_reserve,
            capacity=lambda: self.roster.capacity(clock.monotonic_s()),
        )
        floor = LeadersFloor(BusFloor(context.bus, settings.session_assign_timeout_s), mandate)
        self._lifecycle = Lifecycle(
            self.admission,
            Assigner(self.roster, floor, clock, settings.session_assign_tries),
            store=LeadersStore(store, mandate),
            floor=floor,
            chronicle=LeadersChronicle(BusChronicle(context.bus, context.metrics), mandate),
            clock=clock,
        )
        self._watch = Watch(self._lifecycle, self.roster, clock, settings.session_ghost_after_s)
        self._handlers = Handlers(
            self._lifecycle,
            self.roster,
            self._watch,
            mandate,
            clock=clock,
            metrics=context.metrics,
            tracer=context.tracer,
            tasks=context.tasks,
        )
        self._inquiries = Inquiries(self._lifecycle, self.admission, self._handlers.leading)
        self._subscriptions: list[Subscription | Listening] = []
        self._questions: list[Subscription] = []
        self._sweeping: asyncio.Task[Any] | None = None

    async def begin(self) -> None:
        """Take up the calls in KV, learn what became of them meanwhile, and begin to answer."""
        bus = self._context.bus
        await self._lifecycle.restore()
        self._subscriptions += await bus.on_every_call(self._handlers.leg_ended, LEG_ENDED)
        await bus.flush()
        await self._lifecycle.catch_up()
        self._sweeping = self._context.tasks.spawn(self._sweep(), "sweep")
        await self._meet()
        handlers, asked = self._handlers, self._inquiries
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
        await _leave(self._questions)
        while self._handlers.opening and self._mandate.holds_now():
            await self._context.clock.sleep(_LOOK_S)

    async def end(self) -> None:
        """Hear and do nothing any more; what is under way is stopped by its mandate."""
        if self._sweeping is not None:
            self._sweeping.cancel()
            await asyncio.wait({self._sweeping})
        await _leave([*self._questions, *self._subscriptions])

    async def heartbeat(self, beat: Heartbeat) -> None:
        """A process lives."""
        await self._handlers.heartbeat(beat)

    async def catch_up(self) -> None:
        """The bus was away: learn what it did not carry."""
        await self._lifecycle.catch_up()

    async def _meet(self) -> None:
        """Hear some worker of every role, or as long as each of them takes to say that it lives.

        To answer before that would be to refuse calls for want of workers that are there.
        """
        clock = self._context.clock
        until_s = clock.monotonic_s() + 1.5 * self._settings.heartbeat_s
        while not self.roster.complete(clock.monotonic_s()) and clock.monotonic_s() < until_s:
            await clock.sleep(_LOOK_S)

    async def _sweep(self) -> None:
        while True:
            await self._context.clock.sleep(_SWEEP_S)
            if not self._mandate.holds_now():
                continue
            try:
                await self._watch.sweep()
            except TrunklineError as error:
                log.warning("calls will be looked after again: %s", error)


async def _leave(subscriptions: Sequence[Subscription | Listening]) -> None:
    for subscription in subscriptions:
        with suppress(nats.errors.Error):  # the connection is gone, or it was left before
            await subscription.unsubscribe()
