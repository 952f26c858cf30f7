"""Writing what the stream delivered, until it is written: retry, isolation of what the store refuses.

`Recorder.record` returns only when every delivery is in the store, as rows or as a rejection. So whoever
acknowledges after it loses nothing, and whoever is killed before it has only repeated itself.
"""

from __future__ import annotations

import logging
import random
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from analytics_service.errors import AnalyticsError, RowsRefused, StoreUnavailable
from analytics_service.ports import Row
from analytics_service.projections import project, rejection
from contracts.errors import TrunklineError
from contracts.wire import decode_event
from runtime.clock import Clock

log = logging.getLogger(__name__)

Insert = Callable[[str, Sequence[Row]], Awaitable[None]]
_FIRST_WAIT_S = 0.25
_LONGEST_WAIT_S = 10.0


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message of the stream: `sequence` is its place, `stored_us` when the stream took it."""

    subject: str
    data: bytes
    sequence: int
    stored_us: int


@dataclass(frozen=True, slots=True)
class Notices:
    """Who is told: of rows written, of batches tried again, of what was rejected."""

    on_written: Callable[[str, int], None]
    on_retry: Callable[[], None]
    on_rejected: Callable[[TrunklineError], None]


@dataclass(frozen=True, slots=True)
class _Prepared:
    delivery: Delivery
    rows: Sequence[tuple[str, Row]]


class Recorder:
    """Writes deliveries through `insert`, which raises StoreUnavailable or RowsRefused."""

    def __init__(self, insert: Insert, clock: Clock, rng: random.Random, notices: Notices) -> None:
        self._insert = insert
        self._clock = clock
        self._rng = rng
        self._notices = notices
        self._patient = True
        self.storing = True

    async def record(self, deliveries: Sequence[Delivery]) -> None:
        """Return once all of it is stored; while the store is away this waits, and `storing` is False.

        Raises StoreUnavailable only after `wait_no_more`.
        """
        await self._store([_Prepared(delivery, self._rows(delivery)) for delivery in deliveries])

    def wait_no_more(self) -> None:
        """The process ends: what the store does not take now stays in the stream."""
        self._patient = False

    async def _store(self, batch: Sequence[_Prepared]) -> None:
        """Write a batch; where the store refuses it, find the delivery at fault by halving.

        Halves are written again in part; the same rows again change nothing.
        """
        try:
            await self._write(batch)
        except RowsRefused as error:
            if len(batch) == 1:
                refused = batch[0].delivery
                await self._write([_Prepared(refused, self._rejected(refused, error))])
                return
            middle = len(batch) // 2
            await self._store(batch[:middle])
            await self._store(batch[middle:])

    def _rows(self, delivery: Delivery) -> Sequence[tuple[str, Row]]:
        try:
            return project(decode_event(delivery.subject, delivery.data))
        except TrunklineError as error:
            return self._rejected(delivery, error)
        except Exception as fault:
            # A fault of ours in one event must not stop the record of all others: it is kept and counted.
            log.exception("projecting %s, sequence %d, failed", delivery.subject, delivery.sequence)
            return self._rejected(delivery, AnalyticsError(f"projection failed: {type(fault).__name__}"))

    def _rejected(self, delivery: Delivery, error: TrunklineError) -> Sequence[tuple[str, Row]]:
        log.warning("kept as rejected: sequence %d on %s", delivery.sequence, delivery.subject)
        self._notices.on_rejected(error)
        return [rejection(delivery.subject, delivery.data, delivery.sequence, delivery.stored_us, error)]

    async def _write(self, batch: Sequence[_Prepared]) -> None:
        tables: defaultdict[str, list[Row]] = defaultdict(list)
        for prepared in batch:
            for table, row in prepared.rows:
                tables[table].append(row)
        for table, rows in tables.items():
            await self._write_table(table, rows)

    async def _write_table(self, table: str, rows: Sequence[Row]) -> None:
        wait_s = _FIRST_WAIT_S
        while True:
            try:
                await self._insert(table, rows)
            except StoreUnavailable as error:
                self.storing = False
                if not self._patient:
                    raise
                self._notices.on_retry()
                log.warning("%d rows of %s wait: %s", len(rows), table, error)
                await self._clock.sleep(wait_s * self._rng.uniform(0.5, 1.0))
                wait_s = min(2 * wait_s, _LONGEST_WAIT_S)
            else:
                self.storing = True
                self._notices.on_written(table, len(rows))
                return
