"""Wires analytics: the store, the consumer that fills it, the questions that are asked of it."""

from __future__ import annotations

import asyncio
import logging

from analytics_service.errors import StoreUnavailable
from analytics_service.handlers import EventHandler, QueryHandler
from analytics_service.intake import Intake, IntakePlan
from analytics_service.recording import Notices, Recorder
from analytics_service.settings import Settings
from analytics_service.stores import QueryLimits, store_opener
from analytics_service.threads import StoreThreads
from contracts.channels import ANALYTICS_CALLS, ANALYTICS_QUERY, ANALYTICS_TRANSCRIPT
from contracts.messages import CallRecords, SqlResult, Transcript
from contracts.telemetry import ROWS_WRITTEN, STORE_RETRIES
from runtime.process import Context, Service

log = logging.getLogger(__name__)

_ENVELOPE_BYTES = 16 * 1024
_REOPEN_S = 2.0


class AnalyticsApp:
    """The consumer runs in one task, from the store's opening to the drain."""

    def __init__(self, context: Context, store: StoreThreads, intake: Intake, handler: EventHandler) -> None:
        self._context = context
        self._store = store
        self._intake = intake
        self._handler = handler
        self._recording: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Open the store and begin to record; a store that is away is waited for, in the background."""
        try:
            await self._store.open()
        except StoreUnavailable as error:
            log.warning("events wait in the stream: %s", error)
        self._recording = self._context.tasks.spawn(self._record(), "record")

    async def drain(self) -> None:
        """Record and acknowledge what is in hand."""
        self._handler.finish()
        if self._recording is not None and self._store.is_open:
            await asyncio.wait({self._recording})

    async def stop(self) -> None:
        """Let go of the consumer and of the store."""
        if self._recording is not None:
            self._recording.cancel()
            await asyncio.wait({self._recording})
        await self._intake.close()
        await self._store.close()

    async def _record(self) -> None:
        while not self._store.is_open:
            await self._context.clock.sleep(_REOPEN_S)
            try:
                await self._store.open()
            except StoreUnavailable as error:
                log.warning("events wait in the stream: %s", error)
        await self._handler.run()


def build(settings: Settings, context: Context) -> AnalyticsApp:
    """Connect nothing yet: a bad store URL is said here, everything else in `start`."""
    limits = QueryLimits(
        timeout_s=settings.analytics_query_timeout_s,
        memory_bytes=settings.analytics_query_memory_mb * 1024 * 1024,
        threads=settings.analytics_query_threads,
    )
    store = StoreThreads(store_opener(settings.store_url, limits))
    written = context.metrics.counter(ROWS_WRITTEN)
    recorder = Recorder(
        store.insert,
        context.clock,
        context.rng,
        Notices(
            on_written=lambda table, rows: written.add(table, by=rows),
            on_retry=context.metrics.counter(STORE_RETRIES).add,
            on_rejected=lambda error: context.bus.reject("record", error),
        ),
    )
    plan = IntakePlan(
        settings.analytics_durable,
        settings.analytics_batch_events,
        settings.analytics_batch_s,
        settings.analytics_ack_wait_s,
    )
    intake = Intake(context.bus.client, context.bus.jetstream, context.clock, plan)
    queries = QueryHandler(store, context.bus.client.max_payload - _ENVELOPE_BYTES)
    context.rpc.serve(ANALYTICS_QUERY, SqlResult, queries.answer)
    context.rpc.serve(ANALYTICS_CALLS, CallRecords, queries.calls)
    context.rpc.serve(ANALYTICS_TRANSCRIPT, Transcript, queries.transcript)
    context.health.require("store", lambda: store.is_open and recorder.storing)
    return AnalyticsApp(context, store, intake, EventHandler(intake, recorder))


SERVICE = Service("analytics", Settings, build)
