"""Wires the llm service."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from contracts.messages import Role, Stage
from contracts.telemetry import ENGINE_EASED
from llm_service.engines import ENGINES, EngineFactory, Means
from llm_service.handlers import DialogueHolder
from llm_service.pool import EnginePool
from llm_service.recollection import last_turns
from llm_service.settings import Settings
from models.hub import HuggingFaceHub
from models.store import ModelStore
from runtime.process import Context, Service
from runtime.shares import TenantShares
from runtime.tasks import TaskOwner
from runtime.worker import Worker


class LlmApp:
    """The running service."""

    def __init__(self, settings: Settings, context: Context, factories: Mapping[str, EngineFactory]) -> None:
        self._settings = settings
        shares = TenantShares()
        home = settings.home / "models"
        models = ModelStore(home, HuggingFaceHub(home / "hub"))
        self._pool = EnginePool(
            settings,
            factories,
            Means(models, context.clock),
            context.rng,
            partial(context.metrics.counter(ENGINE_EASED).add, Stage.LLM),
            weight=shares,
        )
        self._replies = TaskOwner(f"{context.process}:calls")  # one that fails must not end the process
        holder = DialogueHolder(
            self._pool,
            self._replies,
            bus=context.bus,
            clock=context.clock,
            metrics=context.metrics,
            tracer=context.tracer,
        )
        self._worker = Worker(
            Role.LLM,
            context.process,
            settings.llm_capacity,
            holder,
            bus=context.bus,
            clock=context.clock,
            metrics=context.metrics,
            tasks=context.tasks,
            heartbeat_s=settings.heartbeat_s,
            shares=shares,
            room=lambda: self._pool.room(len(self._worker)),
            enough=lambda assign, record: last_turns(record, assign.assistant.memory_turns) is not None,
        )

    async def start(self) -> None:
        """Load the engines that most assistants use, then take calls."""
        await self._pool.preload(self._settings.llm_preload)
        await self._worker.start()

    async def drain(self) -> None:
        """Take no new calls; returns when the last one is over."""
        await self._worker.drain()

    async def stop(self) -> None:
        """Let go of every call, then of the engines."""
        await self._worker.stop()
        await self._replies.close()
        await self._pool.close()


def build(settings: Settings, context: Context, factories: Mapping[str, EngineFactory] = ENGINES) -> LlmApp:
    """The service, not started."""
    return LlmApp(settings, context, factories)


SERVICE = Service("llm", Settings, build)
