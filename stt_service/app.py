"""Wires the speech recognition service."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from functools import partial

from contracts.messages import Assign, Role
from contracts.telemetry import Span
from models.hub import HuggingFaceHub
from models.store import ModelStore
from runtime.process import Context, Service
from runtime.shares import TenantShares
from runtime.tasks import TaskOwner
from runtime.worker import Worker
from stt_service.batching import DetectionLoop
from stt_service.calls import HeldCall, Teller
from stt_service.chain import Chain
from stt_service.engines import DETECTORS, ENGINES, Ground
from stt_service.handlers import Handlers, Mouth
from stt_service.kept_audio import KeptAudio
from stt_service.pool import DetectorPool, EnginePool
from stt_service.ports import Transcriber
from stt_service.recognition import Recognition, Rules
from stt_service.resuming import Resumption, is_enough
from stt_service.settings import Settings

_TICK_S = 0.1


class SttApp:
    """The running service."""

    def __init__(
        self,
        settings: Settings,
        context: Context,
        factories: Mapping[str, Callable[[Ground], Transcriber]],
    ) -> None:
        self._settings = settings
        self._context = context
        home = settings.home / "models"
        ground = Ground(settings, ModelStore(home, HuggingFaceHub(home / "hub")), context.clock)
        shares = TenantShares()
        self._engines = EnginePool(factories, ground, context.tasks, shares)
        self._detectors = DetectorPool(DETECTORS, ground, context.tasks)
        self._chain = Chain(self._engines, context.clock, settings.stt_engine_rest_s)
        self._calls = TaskOwner(f"{context.process}:calls")  # one that fails must not end the process
        self._mouth = Mouth(context.bus, context.metrics)
        self._handlers = Handlers(
            self._engines,
            self._detectors,
            self._mouth,
            KeptAudio(context.bus, context.clock, context.process),
            self._calls,
            new_call=self._new_call,
            clock=context.clock,
            metrics=context.metrics,
            starved_s=settings.stt_starved_ms / 1000,
        )
        self._worker = Worker(
            Role.STT,
            context.process,
            settings.stt_capacity,
            self._handlers,
            bus=context.bus,
            clock=context.clock,
            metrics=context.metrics,
            tasks=context.tasks,
            heartbeat_s=settings.heartbeat_s,
            shares=shares,
            room=lambda: self._engines.room(len(self._worker)),
            enough=lambda _, record: is_enough(record),
        )

    async def start(self) -> None:
        """Load the engines, then listen. Raises what `EnginePool.get` raises."""
        for name in self._settings.stt_preload:
            await self._engines.get(name)
            await self._detectors.of(name)
        self._context.tasks.spawn(self._mouth.run(), "mouth")
        self._context.tasks.spawn(self._pass_time(), "time")
        self._context.bus.on_lost(self._handlers.bus_lost)
        self._context.bus.on_reconnected(self._handlers.bus_back)
        await self._context.bus.on_runs_of_frames(self._context.process, self._handlers.on_frames)
        await self._worker.start()

    async def drain(self) -> None:
        """Take no new calls; returns when the last one is over."""
        await self._worker.drain()

    async def stop(self) -> None:
        """Let go of every call, then of the engines."""
        await self._worker.stop()
        await self._calls.close()
        await self._engines.close()
        self._detectors.close()

    def _new_call(
        self, assign: Assign, loop: DetectionLoop, teller: Teller, resumption: Resumption | None
    ) -> HeldCall:
        assistant, settings = assign.assistant, self._settings
        rules = Rules(
            voice_from=settings.stt_voice_from,
            voice_until=settings.stt_voice_until,
            onset_windows=settings.stt_onset_windows,
            preroll_ms=settings.stt_preroll_ms,
            pause_ms=settings.stt_pause_ms,
            min_speech_ms=settings.stt_min_speech_ms,
            partial_ms=settings.stt_partial_every_ms if settings.stt_partials else None,
            endpointing=assistant.endpointing,
        )
        return HeldCall(
            Recognition(assistant.language, rules, loop.window_samples, resumption),
            assistant.engines.stt,
            teller,
            chain=self._chain,
            tasks=self._calls,
            open_span=partial(self._open_span, assign.call),
            queue_frames=settings.stt_queue_frames,
            tenant=assign.tenant,
            resumption=resumption,
        )

    def _open_span(self, call: str, turn: int) -> AbstractContextManager[str | None]:
        return self._context.tracer.span(Span.TURN_RECOGNIZE, call=call, turn=turn)

    async def _pass_time(self) -> None:
        while True:
            await self._context.clock.sleep(_TICK_S)
            self._handlers.pass_time()


def build(settings: Settings, context: Context) -> SttApp:
    """The service, not started."""
    return SttApp(settings, context, ENGINES)


SERVICE = Service("stt", Settings, build)
