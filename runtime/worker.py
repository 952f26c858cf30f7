"""What every worker that holds calls does: says that it lives, takes calls, hears their events, lets them go.

One `Worker` owns the dict of calls of a process. The service behind it sees a call only between `take` and
`drop`, one thing of it at a time, and only events of the epoch it was assigned or a newer one, each once.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Protocol

import nats.errors
from nats.aio.subscription import Subscription

from contracts.channels import ASSIGN, CALL_ENDED, CHANNELS, HEARTBEAT, RELEASE
from contracts.identities import CallRef
from contracts.messages import Assign, Assigned, CallEnded, Event, Heartbeat, Release, Role
from contracts.streams import CALLS
from contracts.telemetry import CALLS_HELD, STALE_EPOCH
from runtime.bus import Bus
from runtime.clock import Clock
from runtime.errors import CallReleased, WorkerDraining
from runtime.storage import last_event
from runtime.tasks import TaskOwner
from runtime.telemetry import Metrics

log = logging.getLogger(__name__)

_REMEMBERED_EVENTS = 256
_REMEMBERED_RELEASES = 1024


class CallHolder(Protocol):
    """The service's side: what happens to a call that this process holds."""

    async def take(self, assign: Assign) -> None:
        """Begin to hold the call, or go on with it in a newer epoch; raises a TrunklineError to refuse it.

        Idempotent for the same epoch. After a refusal `drop` is called, so that nothing stays behind.
        """
        ...

    async def on_event(self, event: Event[Any]) -> None:
        """An event of a call that is held."""
        ...

    async def drop(self, ref: CallRef) -> None:
        """Let go of the call and free all that it holds."""
        ...


class RecentIds:
    """Remembers the last event ids, because an unacknowledged event is published again under its id."""

    def __init__(self, limit: int = _REMEMBERED_EVENTS) -> None:
        self._limit = limit
        self._seen: OrderedDict[str, None] = OrderedDict()

    def is_new(self, event_id: str) -> bool:
        """True the first time an id is shown."""
        if event_id in self._seen:
            return False
        self._seen[event_id] = None
        if len(self._seen) > self._limit:
            self._seen.popitem(last=False)
        return True

    def forget(self, event_id: str) -> None:
        """Let an id be new once more, because what it stood for failed."""
        self._seen.pop(event_id, None)


@dataclass(slots=True)
class _Held:
    """A call of ours. The lock makes take, event and drop follow one another."""

    epoch: int
    subscription: Subscription | None = None
    recent: RecentIds = field(default_factory=RecentIds)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class Worker:
    """Holds calls for one role in one process."""

    def __init__(
        self,
        role: Role,
        process: str,
        capacity: int,
        holder: CallHolder,
        *,
        bus: Bus,
        clock: Clock,
        metrics: Metrics,
        tasks: TaskOwner,
        heartbeat_s: float,
    ) -> None:
        self.role = role
        self.process = process
        self._capacity = capacity
        self._holder = holder
        self._bus = bus
        self._clock = clock
        self._tasks = tasks
        self._heartbeat_s = heartbeat_s
        self._held: dict[CallRef, _Held] = {}
        self._released: OrderedDict[CallRef, int] = OrderedDict()
        self._draining = False
        self._stale = metrics.counter(STALE_EPOCH)
        self._wanted = frozenset(
            row.name for row in CHANNELS if role.value in row.consumers or row.name == CALL_ENDED.name
        )
        metrics.gauge(CALLS_HELD, lambda: len(self._held))

    def __len__(self) -> int:
        return len(self._held)

    async def start(self) -> None:
        """Listen for calls and begin to say that this process lives."""
        own = {"role": self.role.value, "process": self.process}
        await self._bus.respond(ASSIGN.subject(**own), Assign, Assigned, self._assign)
        await self._bus.on_messages(RELEASE.subject(**own), Release, self._release)
        self._bus.on_reconnected(self._drop_the_ended)
        self._tasks.spawn(self._beat(), "heartbeat")

    async def drain(self) -> None:
        """Take no new calls; returns when the last one is gone."""
        self._draining = True
        await self._say_alive()
        while self._held:
            await self._clock.sleep(0.05)

    async def stop(self) -> None:
        """Take no new calls and let go of every one that is still held."""
        self._draining = True
        for ref, held in list(self._held.items()):
            try:
                async with held.lock:
                    await self._let_go(ref, held)
            except Exception:
                log.exception("letting go of %s failed", ref.call)

    def epoch_of(self, ref: CallRef) -> int:
        """The epoch under which this process holds the call, 0 when it does not."""
        held = self._held.get(ref)
        return held.epoch if held else 0

    async def _assign(self, assign: Assign) -> Assigned:
        ref = CallRef(assign.tenant, assign.call)
        held = self._held.get(ref) or self._begin(ref, assign.epoch)
        async with held.lock:
            if self._held.get(ref) is held:
                await self._take(ref, held, assign)
                return Assigned()
        return await self._assign(assign)  # it was let go of while we waited for the lock

    def _begin(self, ref: CallRef, epoch: int) -> _Held:
        if self._draining:
            raise WorkerDraining(f"{self.process} is about to stop", mend="assign the call to another worker")
        if epoch <= self._released.get(ref, 0):
            raise CallReleased(
                f"call {ref.call} was released in epoch {self._released[ref]}",
                mend="assign it in a newer one",
            )
        held = self._held[ref] = _Held(epoch)
        return held

    async def _take(self, ref: CallRef, held: _Held, assign: Assign) -> None:
        if assign.epoch < held.epoch:
            self._stale.add()
            return
        try:
            if held.subscription is None:
                held.subscription = await self._bus.on_events(ref, self._hear, self._wanted)
            held.epoch = assign.epoch
            await self._holder.take(assign)
        except BaseException:
            await self._let_go(ref, held)
            raise

    async def _release(self, release: Release) -> None:
        ref = CallRef(release.tenant, release.call)
        self._released[ref] = max(release.epoch, self._released.get(ref, 0))
        if len(self._released) > _REMEMBERED_RELEASES:
            self._released.popitem(last=False)
        held = self._held.get(ref)
        if held is not None:
            async with held.lock:
                if held.epoch <= release.epoch:
                    await self._let_go(ref, held)

    async def _hear(self, event: Event[Any]) -> None:
        held = self._held.get(event.ref)
        if held is None:
            return
        async with held.lock:
            if self._held.get(event.ref) is held and held.recent.is_new(event.id):
                try:
                    await self._on_event(event, held)
                except BaseException:
                    held.recent.forget(event.id)  # said again, it is heard again
                    raise

    async def _on_event(self, event: Event[Any], held: _Held) -> None:
        if isinstance(event.body, CallEnded):
            await self._let_go(event.ref, held)
        elif 0 < event.epoch < held.epoch:
            self._stale.add()
        else:
            await self._holder.on_event(event)

    async def _let_go(self, ref: CallRef, held: _Held) -> None:
        """With the lock held. The entry goes once the drop is done, so that no take begins before.

        To unsubscribe comes last: within the subscription's own callback it cancels whatever follows.
        """
        if self._held.get(ref) is not held:
            return
        try:
            await self._holder.drop(ref)
        finally:
            del self._held[ref]
            if held.subscription is not None:
                with suppress(nats.errors.Error):  # the connection is gone, and the subscription with it
                    await held.subscription.unsubscribe()

    async def _drop_the_ended(self) -> None:
        """What ended while the bus was away will not be said again: look for it in the stream."""
        for ref in list(self._held):
            subject = CALL_ENDED.subject(tenant=ref.tenant, call=ref.call)
            ended = await last_event(self._bus.jetstream, CALLS, subject)
            if ended is not None:
                await self._hear(ended)

    async def _beat(self) -> None:
        while True:
            if self._bus.connected:  # an old heartbeat is worse than none
                await self._say_alive()
            await self._clock.sleep(self._heartbeat_s)

    async def _say_alive(self) -> None:
        await self._bus.publish(
            HEARTBEAT.subject(role=self.role.value, process=self.process),
            Heartbeat(
                role=self.role,
                process=self.process,
                at_us=self._clock.now_us(),
                calls=len(self._held),
                capacity=self._capacity,
                draining=self._draining,
            ),
        )
