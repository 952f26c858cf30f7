"""Wires the speech synthesis service."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from contracts.messages import Role, Stage
from contracts.telemetry import ENGINE_FAILURES, PHRASE_CACHE, Span
from models.hub import HuggingFaceHub
from models.store import ModelStore
from runtime.process import Context, Service
from runtime.room import RoomMeter
from runtime.shares import TenantShares
from runtime.tasks import TaskOwner
from runtime.worker import Worker
from tts_service.cache import PhraseCache
from tts_service.casting import Cast, Engines
from tts_service.chain import Chain
from tts_service.engines import ENGINES, Factory, Means
from tts_service.handlers import BusOutlet, Handlers
from tts_service.ports import Outlet
from tts_service.recalling import is_enough
from tts_service.recording import Recorder
from tts_service.scheduling import Turns
from tts_service.settings import Settings
from tts_service.synthesis import CallSynthesis
from tts_service.takeover import GatewayQuestion
from tts_service.warming import Warmer

_MB = 1_000_000


class TtsApp:
    """The running service."""

    def __init__(self, settings: Settings, context: Context, factories: Mapping[str, Factory]) -> None:
        self._settings = settings
        self._context = context
        self._workers = ThreadPoolExecutor(settings.tts_engine_slots, "tts-engine")
        self._loader = ThreadPoolExecutor(1, "tts-load")
        models = settings.home / "models"
        store = ModelStore(models, HuggingFaceHub(models / "hub"))
        means = Means(store.path, self._workers, context.clock)
        self._engines = Engines(factories, settings, means, self._loader)
        self._tasks = TaskOwner(f"{context.process}:calls")  # one that fails must not end the process
        self._meter = RoomMeter(settings.tts_engine_slots, settings.tts_wait_budget_s, context.clock)
        shares = TenantShares()
        self._chain = self._new_chain(shares)
        self._warmer = Warmer(
            self._chain, context.clock, share=settings.tts_warm_share, limit=settings.tts_warm_phrases
        )
        self._handlers = Handlers(
            self._engines,
            self._warmer,
            self._tasks,
            new_outlet=partial(BusOutlet, context.bus, context.metrics),
            new_synthesis=self._new_synthesis,
            ask_gateway=GatewayQuestion(
                context.bus,
                context.clock,
                timeout_s=settings.tts_takeover_timeout_s,
                patience_s=settings.tts_takeover_patience_s,
            ).ask,
        )
        self._worker = Worker(
            Role.TTS,
            context.process,
            settings.tts_capacity,
            self._handlers,
            bus=context.bus,
            clock=context.clock,
            metrics=context.metrics,
            tasks=context.tasks,
            heartbeat_s=settings.heartbeat_s,
            shares=shares,
            room=lambda: self._meter.room(len(self._worker)),
            enough=lambda _, record: is_enough(record),
        )

    async def start(self) -> None:
        """Load the engines, then take calls. Raises what `Engines.get` raises."""
        for name in self._settings.tts_preload:
            await self._engines.get(name)
        self._context.tasks.spawn(self._warmer.run(), "warmer")
        await self._worker.start()
        self._context.bus.on_reconnected(self._handlers.rejoin)

    async def drain(self) -> None:
        """Take nothing new; return when the last call is over."""
        await self._worker.drain()

    async def stop(self) -> None:
        """Let go of every call and end the threads."""
        await self._worker.stop()
        await self._tasks.close()
        self._workers.shutdown(wait=False, cancel_futures=True)
        self._loader.shutdown(wait=False, cancel_futures=True)

    def _new_chain(self, shares: TenantShares) -> Chain:
        settings, context = self._settings, self._context
        recorder = Recorder(
            Turns(settings.tts_engine_slots, context.clock, self._tasks, self._meter, shares),
            context.clock,
            timeout_s=settings.tts_engine_timeout_s,
            batch_limit=settings.tts_batch_limit,
            budget_s=settings.tts_wait_budget_s,
        )
        return Chain(
            self._engines,
            recorder,
            PhraseCache(settings.tts_cache_mb * _MB, self._tasks, context.metrics.counter(PHRASE_CACHE).add),
            context.clock,
            rest_s=settings.tts_engine_rest_s,
            failed=partial(context.metrics.counter(ENGINE_FAILURES).add, Stage.TTS),
        )

    def _new_synthesis(self, cast: Cast, outlet: Outlet) -> CallSynthesis:
        context = self._context
        return CallSynthesis(
            cast,
            self._chain,
            outlet,
            clock=context.clock,
            tasks=self._tasks,
            open_span=partial(context.tracer.span, Span.SENTENCE_SYNTHESIZE),
            ahead_s=self._settings.tts_ahead_s,
            gap_s=self._settings.tts_gap_s,
            doubt_s=self._settings.tts_doubt_s,
        )


def build(settings: Settings, context: Context, factories: Mapping[str, Factory] = ENGINES) -> TtsApp:
    """The service, not started."""
    return TtsApp(settings, context, factories)


SERVICE = Service("tts", Settings, build)
