"""Batches of what waits when an engine is free: how large one may be, and whose fault it is when one fails.

Nobody waits for a batch to fill, so an idle engine adds nothing; the longer the queue, the larger the
batches, up to what the engine does within the latency budget: who comes next waits for all of it.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from typing import Final, TypeVar

from contracts.errors import TrunklineError

Item = TypeVar("Item")
Result = TypeVar("Result")

_LEARNING: Final = 0.2


class BatchSize:
    """At most `limit` pieces, and no more work than the engine does in `budget_s`, by what it did so far.

    Work is counted in whatever tells best how long a piece takes, seconds of speech for instance; of `least`
    or below, a batch takes no less time.
    """

    def __init__(self, limit: int, budget_s: float, *, least: float = 0.0) -> None:
        self._limit = limit
        self._budget_s = budget_s
        self._least = least
        self._pace = 0.0  # seconds that a unit of work takes, as far as it is known

    def takes_more(self, pieces: int, work: float) -> bool:
        """Whether a batch of so many pieces with so much work may have one more, about as large as those."""
        if not pieces:
            return True
        one_more = work * (pieces + 1) / pieces
        return pieces < self._limit and one_more * self._pace <= self._budget_s

    def worked(self, work: float, took_s: float) -> None:
        """A batch with so much work took so long."""
        pace = took_s / max(self._least, work)
        self._pace = pace if not self._pace else self._pace + _LEARNING * (pace - self._pace)


async def outcomes(
    batch: Sequence[Item], run: Callable[[Sequence[Item]], Awaitable[Sequence[Result]]]
) -> AsyncGenerator[tuple[Item, Result | TrunklineError], None]:
    """Each piece with what `run` made of it, or its error.

    A batch that fails is run again piece by piece: one that an engine cannot bear is no reason to fail the
    others. Only TrunklineErrors count as failures of the batch; anything else comes through.
    """
    try:
        results = await run(batch)
    except TrunklineError as error:
        if len(batch) == 1:
            yield batch[0], error
            return
    else:
        for piece, result in zip(batch, results, strict=True):
            yield piece, result
        return
    for piece in batch:
        async for alone in outcomes([piece], run):
            yield alone
