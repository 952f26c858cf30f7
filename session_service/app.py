"""Wires the session service: what every session keeps warm, and who of them leads."""

from __future__ import annotations

import asyncio
from typing import Any

from contracts.channels import HEARTBEAT
from contracts.messages import Heartbeat, NumberSnapshot, Role
from contracts.streams import ASSISTANTS_BUCKET
from contracts.telemetry import CALLS_HELD
from runtime.process import Context, Service
from runtime.storage import Bucket
from session_service.leadership import Leadership
from session_service.reign import Reign
from session_service.settings import Settings
from session_service.stores import KvCalls, KvLease


class SessionApp:
    """The running service: the leader, or a standby that knows the numbers and who lives."""

    def __init__(self, settings: Settings, context: Context) -> None:
        self._settings = settings
        self._context = context
        self._numbers: dict[str, NumberSnapshot] = {}
        self._heard: dict[tuple[Role, str], tuple[Heartbeat, float]] = {}
        self._reign: Reign | None = None
        self._running: asyncio.Task[Any] | None = None

    async def start(self) -> None:
        """Read the directory, listen to who lives; return once this session leads, or knows who does."""
        context = self._context
        directory_read = asyncio.Event()
        numbers = await Bucket.open(context.bus, ASSISTANTS_BUCKET, NumberSnapshot)
        context.tasks.spawn(numbers.watch(self._number_changed, directory_read.set), "directory")
        await directory_read.wait()
        await context.bus.on_messages(HEARTBEAT.wildcard(), Heartbeat, self._heartbeat)
        context.bus.on_reconnected(self._catch_up)
        context.metrics.gauge(CALLS_HELD, lambda: len(self._reign.admission) if self._reign else 0)
        await self._stand_for_election()

    async def _stand_for_election(self) -> None:
        settings, context = self._settings, self._context
        lease = await KvLease.open(context.bus)
        self._store = await KvCalls.open(context.bus, self._fenced)
        self._leadership = Leadership(
            lease,
            self._store,
            context.clock,
            holder=context.process,
            lease_s=settings.session_lease_s,
            renew_s=settings.session_lease_renew_s,
        )
        context.tasks.spawn(lease.follow(), "lease")
        self._running = context.tasks.spawn(self._leadership.run(self._begin, self._end), "leadership")
        settled = asyncio.ensure_future(self._leadership.settled.wait())
        await asyncio.wait({self._running, settled}, return_when=asyncio.FIRST_COMPLETED)
        settled.cancel()

    def _fenced(self) -> None:
        self._leadership.depose()

    async def drain(self) -> None:
        """Answer what was asked, then hand over to a standby at once."""
        if self._reign is not None:
            await self._reign.stop_answering()
        await self._resign()

    async def stop(self) -> None:
        """Where there was no time to drain, hand over as it is; the rest belongs to the process."""
        await self._resign()

    async def _resign(self) -> None:
        if self._running is None:
            return
        running, self._running = self._running, None
        running.cancel()
        await asyncio.wait({running})
        await self._leadership.resign()

    async def _begin(self) -> None:
        since_s = self._context.clock.monotonic_s() - 1.5 * self._settings.heartbeat_s
        heard = [beat for beat, heard_s in self._heard.values() if heard_s >= since_s]
        self._reign = Reign(
            self._settings,
            self._context,
            self._numbers,
            self._store,
            self._leadership.mandate(),
            heard=heard,
        )
        await self._reign.begin()

    async def _end(self) -> None:
        if self._reign is not None:
            reign, self._reign = self._reign, None
            await reign.end()

    async def _catch_up(self) -> None:
        if self._reign is not None:
            await self._reign.catch_up()

    async def _heartbeat(self, beat: Heartbeat) -> None:
        now_s = self._context.clock.monotonic_s()
        self._heard[beat.role, beat.process] = (beat, now_s)
        limit_s = now_s - self._settings.session_lost_after_s
        for key in [key for key, (_, heard_s) in self._heard.items() if heard_s < limit_s]:
            del self._heard[key]
        if self._reign is not None:
            await self._reign.heartbeat(beat)

    async def _number_changed(self, key: str, snapshot: NumberSnapshot | None) -> None:
        if snapshot is None:
            self._numbers.pop(key, None)
        else:
            self._numbers[key] = snapshot


def build(settings: Settings, context: Context) -> SessionApp:
    """The service, not started."""
    return SessionApp(settings, context)


SERVICE = Service("session", Settings, build)
