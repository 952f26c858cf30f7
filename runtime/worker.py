"""What every worker that holds calls does: says that it lives, takes calls, hears their events, lets them go.

One `Worker` owns the dict of calls of a process. The service behind it sees a call only between `take` and
`drop`, one thing of it at a time, each event once, and none that is stale (`contracts.epochs`). A call that
another process was given, or another life of this one, is let go of as soon as that is heard; what was not
heard, because NATS was away or this process stood still, is read in the stream afterwards.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

from contracts.channels import ASSIGN, CALL_ENDED, CALL_REASSIGNED, CHANNELS, HEARTBEAT, RELEASE
from contracts.epochs import Border, believed
from contracts.identities import CallRef
from contracts.messages import (
    Assign,
    Assigned,
    CallEnded,
    CallReassigned,
    Event,
    Heartbeat,
    Release,
    Role,
)
from contracts.streams import CALLS
from contracts.telemetry import CALLS_HELD, STALE_EPOCH
from contracts.wire import channel_of
from runtime.bus import Bus
from runtime.clock import Clock
from runtime.connection import leave
from runtime.errors import BorderUnknown, CallReleased, WorkerDraining
from runtime.history import Record, read_end
from runtime.listening import Listening
from runtime.shares import TenantShares
from runtime.storage import last_event
from runtime.tasks import TaskOwner
from runtime.telemetry import Metrics

log = logging.getLogger(__name__)

_REMEMBERED_EVENTS = 256
_REMEMBERED_RELEASES = 1024
_READ_AT_ONCE = 16
_BORDER_TRIES = 24
_BORDER_WAIT_S = 0.05
_STORED_WITHIN_S = 0.3
_OVERDUE_BEATS = 3


class CallHolder(Protocol):
    """The service's side: what happens to a call that this process holds."""

    async def take(self, assign: Assign, history: tuple[Event[Any], ...]) -> None:
        """Begin to hold the call, or go on with it in a newer epoch; raises a TrunklineError to refuse it.

        `history` is empty unless the assignment says `resumed`: then it is what was recorded of the call up
        to now that this role hears or says, as far back as is `enough`, in the stream's order and without
        what is stale, and the call is not held: one that is was dropped just before. What is said from now
        on follows by `on_event`. Idempotent for the same epoch, which has no history the second time. After
        a refusal `drop` is called, so that nothing stays behind.
        """
        ...

    async def on_event(self, event: Event[Any]) -> None:
        """An event of a call that is held; after `call.ended`, which is the last, it is dropped."""
        ...

    async def drop(self, ref: CallRef) -> None:
        """Let go of the call and free all that it holds. Another process may go on with it: what was begun
        is left to that one.
        """
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
    """A call of ours, the epoch that it was last taken in, how far its record was read, and the border
    there. The lock makes take, event and drop follow one another.
    """

    epoch: int
    taken: int = 0
    read_to: int = 1
    read_border: Border = field(default_factory=Border)
    border: Border = field(default_factory=Border)
    subscription: Listening | None = None
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
        shares: TenantShares,
        room: Callable[[], int | None] = lambda: None,
        enough: Callable[[Assign, Record], bool] = lambda _assign, _record: False,
    ) -> None:
        """`shares` learns what the calls say that are held. `room` tells how many more calls it can take now
        within its latency budget; None: only counted. `enough` says whether the end of a record, given
        without what is stale, is all that the holder needs to go on with a call; where it is not, it is
        asked again with more, and the holder gets all that there is where it never is.
        """
        self.role = role
        self.process = process
        self._capacity = capacity
        self._holder = holder
        self._bus = bus
        self._clock = clock
        self._tasks = tasks
        self._heartbeat_s = heartbeat_s
        self._shares = shares
        self._room = room
        self._enough = enough
        self._started_us = clock.now_us()
        self._reading = asyncio.Semaphore(_READ_AT_ONCE)
        self._held: dict[CallRef, _Held] = {}
        self._released: OrderedDict[CallRef, int] = OrderedDict()
        self._draining = False
        self._stale = metrics.counter(STALE_EPOCH)
        self._wanted = frozenset(
            row.name for row in CHANNELS if role.value in row.consumers or row.name == CALL_ENDED.name
        )
        self._recalled = self._wanted | {row.name for row in CHANNELS if role.value in row.producers}
        metrics.gauge(CALLS_HELD, lambda: len(self._held))

    def __len__(self) -> int:
        return len(self._held)

    async def start(self) -> None:
        """Listen for calls and begin to say that this process lives."""
        own = {"role": self.role.value, "process": self.process}
        await self._bus.respond(ASSIGN.subject(**own), Assign, Assigned, self._assign)
        await self._bus.on_messages(RELEASE.subject(**own), Release, self._release)
        self._bus.on_reconnected(self._catch_up)
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
            held.border.join(assign.since)
            self._shares.take(ref, assign.share)
            resumes = assign.resumed and assign.epoch > held.taken
            history = await self._learn(ref, held, assign) if resumes else ()
            if resumes and held.taken:
                await self._holder.drop(ref)
            await self._holder.take(assign, history)
            held.taken = assign.epoch
            if resumes:
                self._tasks.spawn(self._look_again(ref, held), "look again")
        except BaseException:
            await self._let_go(ref, held)
            raise

    async def _learn(self, ref: CallRef, held: _Held, assign: Assign) -> Record:
        """What was said so far. Events are heard already: what is in the record too is not heard again.

        What this process heard in an older epoch counts for nothing: another may have had the call since.
        """
        held.recent, held.read_border = RecentIds(), Border()
        history = believed(await self._record(ref, held, assign), held.read_border)
        for event in history:
            held.border.believes(event)
            if self._wants(event):
                held.recent.is_new(event.id)
            if isinstance(event.body, CallEnded) or self._is_replaced_by(event, held):
                raise CallReleased(f"call {ref.call} has gone on without epoch {assign.epoch}")
        return history

    async def _look_again(self, ref: CallRef, held: _Held) -> None:
        """The stream stores a little later than others hear: now it has what was said before we listened."""
        await self._clock.sleep(_STORED_WITHIN_S)
        await self._bus.until_done(partial(self._catch_up_with, ref, held))

    async def _record(self, ref: CallRef, held: _Held, assign: Assign) -> Record:
        """The end of the record, with the border of this epoch in it, which the session said just before it
        assigned.

        Raises BorderUnknown while the stream does not have that: whoever went on could say once more what
        was said and is not stored yet.
        """
        border = CALL_REASSIGNED.subject(tenant=ref.tenant, call=ref.call)
        for _ in range(_BORDER_TRIES):
            said = await last_event(self._bus.jetstream, CALLS, border)
            if said is not None and said.body.epoch >= assign.epoch:
                async with self._reading:
                    record, held.read_to = await read_end(
                        self._bus, ref, lambda end: self._enough(assign, believed(end)), self._recalled
                    )
                return record
            await self._clock.sleep(_BORDER_WAIT_S)
        raise BorderUnknown(
            f"the record of call {ref.call} does not say that epoch {assign.epoch} began",
            mend="assign it again; does the stream store what is said?",
        )

    async def _release(self, release: Release) -> None:
        ref = CallRef(release.tenant, release.call)
        self._remember_release(ref, release.epoch)
        held = self._held.get(ref)
        if held is not None:
            async with held.lock:
                if held.epoch <= release.epoch:
                    await self._let_go(ref, held)

    def _remember_release(self, ref: CallRef, epoch: int) -> None:
        self._released[ref] = max(epoch, self._released.get(ref, 0))
        if len(self._released) > _REMEMBERED_RELEASES:
            self._released.popitem(last=False)

    async def _hear(self, event: Event[Any]) -> None:
        held = self._held.get(event.ref)
        if held is None:
            return
        async with held.lock:
            if self._held.get(event.ref) is not held:
                return
            if held.border.believes(event):
                await self._once(event, held)
            else:
                self._stale.add()

    async def _once(self, event: Event[Any], held: _Held) -> None:
        """With the lock held: an event that counts, unless it was heard before."""
        if not held.recent.is_new(event.id):
            return
        try:
            await self._on_event(event, held)
        except BaseException:
            held.recent.forget(event.id)  # said again, it is heard again
            raise

    async def _on_event(self, event: Event[Any], held: _Held) -> None:
        if isinstance(event.body, CallEnded):
            try:
                await self._holder.on_event(event)
            finally:
                await self._let_go(event.ref, held)
        elif self._is_replaced_by(event, held):
            log.warning("call %s is another's since epoch %d", event.call, event.body.epoch)
            self._remember_release(event.ref, event.body.epoch - 1)
            await self._let_go(event.ref, held)
        else:
            await self._holder.on_event(event)

    def _is_replaced_by(self, event: Event[Any], held: _Held) -> bool:
        """Whether another process speaks for our role from here on, or another life of this one."""
        body = event.body
        return isinstance(body, CallReassigned) and body.role is self.role and body.epoch > held.epoch

    def _wants(self, event: Event[Any]) -> bool:
        return channel_of(event.body).name in self._wanted

    async def _let_go(self, ref: CallRef, held: _Held) -> None:
        """With the lock held. The entry goes once the drop is done, so that no take begins before.

        To unsubscribe comes last: within the subscription's own callback it cancels whatever follows.
        """
        if self._held.get(ref) is not held:
            return
        try:
            await self._holder.drop(ref)
        finally:
            self._shares.drop(ref)
            del self._held[ref]
            if held.subscription is not None:
                await leave(held.subscription)

    async def _catch_up(self) -> None:
        """Hear what was said while the bus was away or this process stood still; raises BusUnavailable."""
        catching_up = (self._catch_up_with(ref, held) for ref, held in list(self._held.items()))
        for failure in await asyncio.gather(*catching_up, return_exceptions=True):
            if failure is not None:
                raise failure

    async def _catch_up_with(self, ref: CallRef, held: _Held) -> None:
        """What comes in meanwhile waits for the lock, so that all is heard in order."""
        async with held.lock, self._reading:
            if self._held.get(ref) is not held:
                return
            unread, held.read_to = await read_end(
                self._bus, ref, partial(_is_all_that_is_remembered, held), self._wanted, held.read_to
            )
            record = believed(unread, held.read_border)
            for event in record[-_REMEMBERED_EVENTS:]:
                if self._held.get(ref) is held:
                    held.border.believes(event)
                    await self._bus.guard(channel_of(event.body).name, self._once(event, held))

    async def _beat(self) -> None:
        """Say so again and again; whoever finds that it has been silent for long asks what it has missed."""
        last_s = self._clock.monotonic_s()
        while True:
            if self._bus.connected:  # an old heartbeat is worse than none
                await self._say_alive()
            await self._clock.sleep(self._heartbeat_s)
            silent_s = self._clock.monotonic_s() - last_s
            last_s += silent_s
            if silent_s > _OVERDUE_BEATS * self._heartbeat_s:
                log.warning("this process stood still for %.1f s", silent_s)
                self._tasks.spawn(self._bus.until_done(self._catch_up), "catch up")

    async def _say_alive(self) -> None:
        await self._bus.publish(
            HEARTBEAT.subject(role=self.role.value, process=self.process),
            Heartbeat(
                role=self.role,
                process=self.process,
                at_us=self._clock.now_us(),
                started_us=self._started_us,
                calls=len(self._held),
                capacity=self._capacity,
                room=self._room(),
                draining=self._draining,
            ),
        )


def _is_all_that_is_remembered(held: _Held, unread: Record) -> bool:
    """Whether the end of what was not read has more events than a call's `recent` ones: what was heard before
    those cannot be told from what was missed. There are far fewer events of a call as a whole.
    """
    return len(believed(unread, held.read_border.copy())) >= 2 * _REMEMBERED_EVENTS
