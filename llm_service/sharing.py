"""A wrapper around an engine that has so many slots: they are shared out fairly between tenants.

The time in the queue is not the engine's silence, so this stands outside of `Deadlined`; and it has an end of
its own, because a caller waits.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, aclosing

from contracts.messages import AssistantSnapshot
from llm_service.errors import EngineTimeout
from llm_service.ports import Delta, LanguageModel, Prompt
from runtime.clock import Clock
from runtime.fair_queue import FairGate
from runtime.room import RoomMeter


class Shared:
    """An engine that answers at most as many prompts at once as the gate has slots."""

    def __init__(
        self, inner: LanguageModel, gate: FairGate, meter: RoomMeter, clock: Clock, within_s: float
    ) -> None:
        self._inner = inner
        self._gate = gate
        self._meter = meter
        self._clock = clock
        self._within_s = within_s

    async def prepare(self, assistant: AssistantSnapshot) -> None:
        """Prepare the engine; nobody waits for it."""
        await self._inner.prepare(assistant)

    async def generate(self, prompt: Prompt) -> AsyncGenerator[Delta, None]:
        """Stream the answer once it is this tenant's turn; raises EngineTimeout when that takes too long."""
        async with AsyncExitStack() as held:
            try:
                async with asyncio.timeout(self._within_s):
                    waited_s = await held.enter_async_context(self._gate.turn(prompt.tenant))
            except TimeoutError as error:
                self._meter.waited(self._within_s)
                raise EngineTimeout(
                    f"no slot within {self._within_s:g} s, {len(self._gate)} wait",
                    mend="add workers, or raise TRUNKLINE_LLM_SLOTS if the engine can do more at once",
                ) from error
            self._meter.waited(waited_s)
            began_s = self._clock.monotonic_s()
            held.callback(lambda: self._meter.worked(self._clock.monotonic_s() - began_s))
            deltas = await held.enter_async_context(aclosing(self._inner.generate(prompt)))
            async for delta in deltas:
                yield delta

    async def close(self) -> None:
        """Close the engine."""
        await self._inner.close()
