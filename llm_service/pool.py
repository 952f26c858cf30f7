"""The engines of this process: each built once, off the loop, when it is first wanted.

An engine that cannot be built is no reason to refuse a call that has others: it takes its place in the chain
and fails there, where the next one follows.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from typing import Final

from contracts.errors import TrunklineError
from contracts.messages import AssistantSnapshot
from llm_service.chain import Chain
from llm_service.easing import SHARE_OF_BUDGET, Eased, Easing, EasingRules
from llm_service.engines import EngineFactory, Means
from llm_service.errors import EngineNotInstalled, UnknownEngine
from llm_service.ports import Delta, LanguageModel, Prompt
from llm_service.retry import Deadlined, Retrying, RetryPolicy
from llm_service.settings import Settings
from llm_service.sharing import Shared
from runtime.fair_queue import FairGate, Weight, alike
from runtime.room import RoomMeter, least_room

log = logging.getLogger(__name__)

_SLOTS: Final = 16


class EnginePool:
    """Builds engines by name, with their wrappers, and keeps them."""

    def __init__(
        self,
        settings: Settings,
        factories: Mapping[str, EngineFactory],
        means: Means,
        rng: random.Random,
        tell_eased: Callable[[str, Eased], None] = lambda _engine, _how: None,
        *,
        weight: Weight = alike,
    ) -> None:
        self._settings = settings
        self._factories = factories
        self._means = means
        self._rng = rng
        self._weight = weight
        self._meters: dict[str, RoomMeter] = {}
        self._gates: dict[str, FairGate] = {}
        rules = EasingRules(
            SHARE_OF_BUDGET * settings.llm_wait_budget_s, settings.llm_busy_exchanges, settings.llm_relief
        )
        self._easing = Easing(self._gates, rules, tell_eased)
        self._built: dict[str, LanguageModel] = {}
        self._broken: dict[str, TrunklineError] = {}
        self._building = asyncio.Lock()

    async def preload(self, names: Sequence[str]) -> None:
        """Build these now. One that cannot be built is logged with its mend, and missed when it is wanted."""
        for name in names:
            try:
                await self.get(name)
            except TrunklineError as error:
                log.warning("engine %s is not available: %s", name, error)

    async def chain(self, names: Sequence[str]) -> Chain:
        """The chain of these engines; raises the first one's error when none of them can be built."""
        engines: dict[str, LanguageModel] = {}
        errors: list[TrunklineError] = []
        for name in names:
            try:
                engines[name] = await self.get(name)
            except TrunklineError as error:
                errors.append(error)
                engines[name] = Absent(error)
        if len(errors) == len(names):
            raise errors[0]
        return Chain(engines, self._easing, await self._reliefs(names))

    async def _reliefs(self, names: Sequence[str]) -> dict[str, LanguageModel]:
        """The reliefs of these engines, as far as they can be built: who has none is asked itself."""
        reliefs: dict[str, LanguageModel] = {}
        for name in names:
            if (relief := self._settings.llm_relief.get(name)) is None:
                continue
            try:
                reliefs[relief] = await self.get(relief)
            except TrunklineError as error:
                log.warning("%s has no relief: %s", name, error)
        return reliefs

    async def get(self, name: str) -> LanguageModel:
        """The engine of that name; raises UnknownEngine, EngineNotInstalled or a ModelError."""
        async with self._building:
            if name in self._broken:
                raise self._broken[name]
            if name not in self._built:
                self._built[name] = await self._build(name)
            return self._built[name]

    def room(self, calls: int) -> int | None:
        """How many calls more than these `calls` the engines have room for; None where they cannot tell."""
        return least_room(self._meters.values(), calls)

    async def close(self) -> None:
        """Close every engine."""
        for engine in self._built.values():
            await engine.close()
        self._built.clear()

    async def _build(self, name: str) -> LanguageModel:
        settings = self._settings
        try:
            if name not in self._factories:
                raise UnknownEngine(
                    f"there is no language engine {name!r}", mend=f"use one of {', '.join(self._factories)}"
                )
            engine = await asyncio.to_thread(self._factories[name], settings, self._means)
        except ImportError as error:
            self._broken[name] = EngineNotInstalled(
                f"the {name} engine needs the package {error.name}", mend="pip install 'trunkline[llm]'"
            )
            raise self._broken[name] from error
        except TrunklineError as error:
            if not error.retryable:
                self._broken[name] = error
            raise
        policy = RetryPolicy(
            settings.llm_retry_tries, settings.llm_retry_first_wait_s, settings.llm_retry_within_s
        )
        limited = Deadlined(engine, settings.llm_first_token_timeout_s, settings.llm_token_timeout_s)
        return Retrying(self._shared(name, limited), policy, self._means.clock, self._rng)

    def _shared(self, name: str, engine: LanguageModel) -> LanguageModel:
        settings, clock = self._settings, self._means.clock
        slots = settings.llm_slots.get(name, _SLOTS)
        gate = self._gates[name] = FairGate(slots, clock, self._weight)
        self._meters[name] = RoomMeter(slots, settings.llm_wait_budget_s, clock)
        return Shared(engine, gate, self._meters[name], clock, settings.llm_queue_timeout_s)


class Absent:
    """Stands in a chain for an engine that could not be built."""

    def __init__(self, why: TrunklineError) -> None:
        self._why = why

    async def prepare(self, assistant: AssistantSnapshot) -> None:
        """Nothing to prepare."""

    def generate(self, _prompt: Prompt) -> AsyncGenerator[Delta, None]:
        """Fails, with the reason why it could not be built."""
        raise self._why

    async def close(self) -> None:
        """Nothing to free."""
