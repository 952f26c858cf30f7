"""One engine and its runs: how many utterances go into one, how long it may take, whose fault it is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TypeAlias

from contracts.errors import TrunklineError
from runtime.batches import BatchSize, outcomes
from tts_service.errors import EngineFault, EngineTimeout
from tts_service.ports import Pcm, Run, Synthesizer, Utterance

Outcome: TypeAlias = Pcm | TrunklineError | None
"""A chunk, a step without sound, or why there is none."""


class Lane:
    """Before one engine. `batch_limit` utterances at most are made in one run, and no more of them than it
    makes in `budget_s`, by what it took so far.
    """

    def __init__(
        self, name: str, engine: Synthesizer, *, batch_limit: int, budget_s: float, timeout_s: float
    ) -> None:
        self.name = name
        self.engine = engine
        self._size = BatchSize(batch_limit, budget_s)
        self._timeout_s = timeout_s

    def takes_more(self, utterances: int, run: Run) -> bool:
        """Whether a run of so many takes in one more."""
        return utterances < max(1, run.together) and self._size.takes_more(utterances, utterances)

    def worked(self, utterances: int, took_s: float) -> None:
        """A run of so many took so long."""
        self._size.worked(utterances, took_s)

    async def make(self, batch: Sequence[Utterance], tell: Callable[[Utterance, Outcome], None]) -> None:
        """The next chunk of each; `tell` hears of each how it ended, and of some perhaps twice.

        Where a run fails, each of its utterances is tried again alone, all within the time for one run.
        """
        try:
            async with asyncio.timeout(self._timeout_s):
                async for utterance, outcome in outcomes(batch, self._advance):
                    tell(utterance, outcome)
        except TimeoutError:
            for utterance in batch:
                tell(utterance, self._too_late())

    async def _advance(self, batch: Sequence[Utterance]) -> list[Pcm | None]:
        try:
            return await self.engine.advance(batch)
        except TrunklineError:
            raise
        except Exception as error:  # an engine's library may raise anything
            raise EngineFault(f"{self.name} failed: {type(error).__name__}: {error}") from error

    def _too_late(self) -> EngineTimeout:
        return EngineTimeout(
            f"{self.name} made nothing within {self._timeout_s:g} s", mend="is the machine overloaded?"
        )
