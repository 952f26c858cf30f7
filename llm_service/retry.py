"""Two wrappers around an engine that give it another try, and a limit to its silence.

A retry happens only before the first word: after it, the caller has heard the beginning, and the chain lets
another engine go on from there.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

from contracts.errors import TrunklineError
from contracts.messages import AssistantSnapshot
from llm_service.errors import EngineTimeout
from llm_service.ports import Delta, LanguageModel, Prompt
from runtime.clock import Clock


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """At most `tries`, waiting `first_wait_s`, then twice that, and so on, each with up to half taken off by
    chance. No try begins later than `within_s` after the first one: a caller is waiting.
    """

    tries: int = 3
    first_wait_s: float = 0.2
    within_s: float = 2.0

    def wait_s(self, failed_tries: int, rng: random.Random) -> float:
        """How long to wait after so many failed tries."""
        return self.first_wait_s * float(2 ** (failed_tries - 1)) * (1 - rng.random() / 2)


class Retrying:
    """An engine that is asked again when it failed in a way that may pass."""

    def __init__(self, inner: LanguageModel, policy: RetryPolicy, clock: Clock, rng: random.Random) -> None:
        self._inner = inner
        self._policy = policy
        self._clock = clock
        self._rng = rng

    async def prepare(self, assistant: AssistantSnapshot) -> None:
        """Prepare the engine, once."""
        await self._inner.prepare(assistant)

    async def generate(self, prompt: Prompt) -> AsyncGenerator[Delta, None]:
        """Stream the answer of the first try that gets as far as a word."""
        begun_s = self._clock.monotonic_s()
        tried = 0
        while True:
            spoke = False
            try:
                async with aclosing(self._inner.generate(prompt)) as deltas:
                    async for delta in deltas:
                        spoke = spoke or bool(delta.text)
                        yield delta
                return
            except TrunklineError as error:
                tried += 1
                wait_s = self._policy.wait_s(tried, self._rng)
                too_late = self._clock.monotonic_s() + wait_s - begun_s > self._policy.within_s
                if spoke or not error.retryable or tried >= self._policy.tries or too_late:
                    raise
            await self._clock.sleep(wait_s)

    async def close(self) -> None:
        """Close the engine."""
        await self._inner.close()


class Deadlined:
    """An engine that may not stay silent for long: neither before its first delta nor between two."""

    def __init__(self, inner: LanguageModel, first_token_s: float, token_s: float) -> None:
        self._inner = inner
        self._first_token_s = first_token_s
        self._token_s = token_s

    async def prepare(self, assistant: AssistantSnapshot) -> None:
        """Prepare the engine, in its own time."""
        await self._inner.prepare(assistant)

    async def generate(self, prompt: Prompt) -> AsyncGenerator[Delta, None]:
        """Stream the answer; raises EngineTimeout when the next delta stays away."""
        limit_s = self._first_token_s
        async with aclosing(self._inner.generate(prompt)) as deltas:
            while True:
                try:
                    async with asyncio.timeout(limit_s):
                        delta = await anext(deltas, None)
                except TimeoutError as error:
                    raise EngineTimeout(
                        f"no word came within {limit_s:g} s",
                        mend="see to the engine, or raise llm_first_token_timeout_s or llm_token_timeout_s",
                    ) from error
                if delta is None:
                    return
                yield delta
                limit_s = self._token_s

    async def close(self) -> None:
        """Close the engine."""
        await self._inner.close()
