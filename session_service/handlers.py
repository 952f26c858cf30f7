"""From the bus to the core and back: no decisions here."""

from __future__ import annotations

import logging
import random
from typing import Any

from contracts.advisories import SERVER_STOPPED, ClientDisconnected, processes_named
from contracts.channels import ASSIGN, CALL_ENDED, CALL_STARTED, HANG_UP, LEG_ENDED, RELEASE
from contracts.errors import TrunklineError
from contracts.identities import CallRef, uuid7
from contracts.messages import (
    ActiveCalls,
    Assign,
    Assigned,
    CallDetached,
    CallEnded,
    CallReassigned,
    CallRejected,
    CallStarted,
    CommandReply,
    EndReason,
    Event,
    HangUp,
    Heartbeat,
    LegEnded,
    ListActiveCalls,
    OpenCall,
    OpenCallReply,
    Release,
    Role,
)
from contracts.streams import CALLS
from contracts.telemetry import CALLS_DETACHED, CALLS_ENDED, CALLS_OPENED, CALLS_REASSIGNED, Span
from runtime.bus import Bus
from runtime.errors import Unanswered
from runtime.storage import last_event
from runtime.telemetry import Metrics, Tracer
from session_service.errors import AnsweredWithError
from session_service.leadership import Mandate
from session_service.lifecycle import Lifecycle
from session_service.ports import Word
from session_service.reassigning import Spawn
from session_service.watch import Watch

log = logging.getLogger(__name__)


class BusFloor:
    """The Floor port over the bus."""

    def __init__(self, bus: Bus, timeout_s: float) -> None:
        self._bus = bus
        self._timeout_s = timeout_s

    async def assign(self, role: Role, process: str, assign: Assign) -> None:
        """Ask the worker to take the call."""
        reply = await self._bus.request(
            ASSIGN, assign, Assigned, timeout_s=self._timeout_s, role=role.value, process=process
        )
        if reply.error is not None:
            raise AnsweredWithError(reply.error)

    async def release(self, role: Role, process: str, ref: CallRef, epoch: int) -> None:
        """Tell the worker to let go."""
        await self._bus.publish(
            RELEASE.subject(role=role.value, process=process),
            Release(call=ref.call, tenant=ref.tenant, epoch=epoch),
        )

    async def hang_up(self, ref: CallRef, reason: EndReason) -> None:
        """Ask the gateway to end the leg."""
        reply = await self._bus.request(
            HANG_UP,
            HangUp(reason=reason),
            CommandReply,
            timeout_s=self._timeout_s,
            tenant=ref.tenant,
            call=ref.call,
        )
        if reply.error is not None:
            raise AnsweredWithError(reply.error)


class BusChronicle:
    """The Chronicle port over the bus and the stream."""

    def __init__(self, bus: Bus, metrics: Metrics) -> None:
        self._bus = bus
        self._ended = metrics.counter(CALLS_ENDED)

    async def ended(self, ref: CallRef, body: CallEnded) -> None:
        """Publish call.ended, under an id that the call alone gives it: of two leaders' words one counts."""
        self._ended.add(body.reason)
        await self._bus.publish_event(ref, body, event_id=_id_of_the_end(ref))

    async def rejected(self, ref: CallRef, body: CallRejected) -> None:
        """Publish call.rejected."""
        await self._bus.publish_event(ref, body)

    async def words(self, ref: CallRef) -> tuple[Word, ...]:
        """Look into the stream, for the end of the call first."""
        found: list[Word] = []
        for channel in (CALL_ENDED, LEG_ENDED, CALL_STARTED):
            subject = channel.subject(tenant=ref.tenant, call=ref.call)
            event = await last_event(self._bus.jetstream, CALLS, subject)
            if event is not None and isinstance(event.body, CallEnded | LegEnded | CallStarted):
                found.append(Word(event.body, event.epoch, event.at_us))
            if found and channel is CALL_ENDED:
                break
        return tuple(found)


def _id_of_the_end(ref: CallRef) -> str:
    opened_ms = int(ref.call.replace("-", "")[:12], 16)
    return uuid7(opened_ms, random.Random(f"the end of {ref.call}"))


class BusHerald:
    """The Herald port over the bus."""

    def __init__(self, bus: Bus, metrics: Metrics) -> None:
        self._bus = bus
        self._reassigned = metrics.counter(CALLS_REASSIGNED)
        self._detached = metrics.counter(CALLS_DETACHED)

    async def reassigned(self, ref: CallRef, body: CallReassigned) -> None:
        """Publish call.reassigned."""
        self._reassigned.add(body.role, body.why)
        await self._bus.publish_event(ref, body)

    async def detached(self, ref: CallRef, body: CallDetached) -> None:
        """Publish call.detached."""
        self._detached.add()
        await self._bus.publish_event(ref, body)


class Handlers:
    """What the session does when it hears something."""

    def __init__(
        self,
        lifecycle: Lifecycle,
        watch: Watch,
        mandate: Mandate,
        *,
        spawn: Spawn,
        metrics: Metrics,
        tracer: Tracer,
    ) -> None:
        self._lifecycle = lifecycle
        self._watch = watch
        self._mandate = mandate
        self._spawn = spawn
        self.opening = 0
        self._opened = metrics.counter(CALLS_OPENED)
        self._tracer = tracer

    async def open(self, request: OpenCall) -> OpenCallReply:
        """rpc.session.open. Who does not lead, or not any more when it would answer, is silent."""
        await self.leading()
        self.opening += 1
        try:
            with self._tracer.span(Span.CALL_OPEN, called=request.called):
                reply = await self._lifecycle.open(request)
        finally:
            self.opening -= 1
        await self.leading()
        self._opened.add(reply.error.code if reply.error else "accepted")
        return reply

    async def active(self, request: ListActiveCalls) -> ActiveCalls:
        """rpc.session.active."""
        await self.leading()
        return self._lifecycle.active_calls(request)

    async def leading(self) -> None:
        """Raise Unanswered where another session leads."""
        if not await self._mandate.holds():
            raise Unanswered("another session leads")

    async def heartbeat(self, beat: Heartbeat) -> None:
        """A process lives; a gateway also says which callers are quiet."""
        self._watch.heard(beat)

    async def disconnected(self, advisory: ClientDisconnected) -> None:
        """NATS says that a client is gone; not where all go because the server does."""
        if advisory.reason != SERVER_STOPPED:
            self._watch.disconnected(processes_named(advisory.client.name))

    async def started(self, event: Event[Any]) -> None:
        """A gateway answered a leg."""
        if isinstance(event.body, CallStarted):
            self._lifecycle.leg_answered(event.ref, event.at_us)

    async def leg_ended(self, event: Event[Any]) -> None:
        """A gateway lost or closed a leg. In a task of its own: the next call's end does not wait for KV."""
        if isinstance(event.body, LegEnded):
            self._spawn(self._end(event.ref, event.body, event.epoch), "end")

    async def _end(self, ref: CallRef, left: LegEnded, epoch: int) -> None:
        try:
            if await self._mandate.holds():
                await self._lifecycle.leg_ended(ref, left.reason, left.detail, epoch=epoch)
        except TrunklineError as error:
            log.error("the end of %s is not in the record: %s", ref.call, error)
