"""What every worker that holds calls does: says that it lives, takes calls, hears their events, lets them go.

One `Worker` owns the dict of calls of a process. The service behind it sees a call only between `take` and
`drop`, and only events of the epoch it was assigned or a newer one, each once.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any, Protocol

from nats.aio.subscription import Subscription

from contracts.channels import ASSIGN, CALL_ENDED, CHANNELS, HEARTBEAT, RELEASE
from contracts.identities import CallRef
from contracts.messages import Assign, Assigned, CallEnded, Event, Heartbeat, Release, Role
from contracts.telemetry import CALLS_HELD, STALE_EPOCH
from runtime.bus import Bus
from runtime.clock import Clock
from runtime.tasks import TaskOwner
from runtime.telemetry import Metrics

_REMEMBERED_EVENTS = 256


class CallHolder(Protocol):
    """The service's side: what happens to a call that this process holds."""

    async def take(self, assign: Assign) -> None:
        """Begin to hold the call; raises a TrunklineError to refuse it. Idempotent for the same epoch."""
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


@dataclass(slots=True)
class _Held:
    epoch: int
    subscription: Subscription
    recent: RecentIds = field(default_factory=RecentIds)


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
        self._tasks.spawn(self._beat(), "heartbeat")

    async def drain(self) -> None:
        """Take no new calls; returns when the last one is gone."""
        self._draining = True
        await self._say_alive()
        while self._held:
            await self._clock.sleep(0.05)

    async def stop(self) -> None:
        """Let go of every call that is still held."""
        for ref in list(self._held):
            await self._let_go(ref)

    def epoch_of(self, ref: CallRef) -> int:
        """The epoch under which this process holds the call, 0 when it does not."""
        held = self._held.get(ref)
        return held.epoch if held else 0

    async def _assign(self, assign: Assign) -> Assigned:
        ref = CallRef(assign.tenant, assign.call)
        held = self._held.get(ref)
        if held is not None and held.epoch > assign.epoch:
            self._stale.add()
            return Assigned()
        subscription = held.subscription if held else await self._bus.on_events(ref, self._hear, self._wanted)
        self._held[ref] = _Held(assign.epoch, subscription, held.recent if held else RecentIds())
        try:
            await self._holder.take(assign)
        except BaseException:
            await self._let_go(ref)
            raise
        return Assigned()

    async def _release(self, release: Release) -> None:
        ref = CallRef(release.tenant, release.call)
        if 0 < self.epoch_of(ref) <= release.epoch:
            await self._let_go(ref)

    async def _hear(self, event: Event[Any]) -> None:
        held = self._held.get(event.ref)
        if held is None or not held.recent.is_new(event.id):
            return
        if isinstance(event.body, CallEnded):
            await self._let_go(event.ref)
        elif 0 < event.epoch < held.epoch:
            self._stale.add()
        else:
            await self._holder.on_event(event)

    async def _let_go(self, ref: CallRef) -> None:
        held = self._held.pop(ref, None)
        if held is not None:
            await held.subscription.unsubscribe()
            await self._holder.drop(ref)

    async def _beat(self) -> None:
        while True:
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
