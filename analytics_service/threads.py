"""The store as coroutines: its calls block, so writes have one thread and reads another.

A slow report never delays the record, and neither ever holds up the event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from analytics_service.errors import StoreUnavailable
from analytics_service.ports import Answer, ReportStore, Row

ResultT = TypeVar("ResultT")


class StoreThreads:
    """Opens the store that `opener` connects to, and runs its calls."""

    def __init__(self, opener: Callable[[], ReportStore]) -> None:
        self._opener = opener
        self._store: ReportStore | None = None
        self._writes = ThreadPoolExecutor(1, thread_name_prefix="store-write")
        self._reads = ThreadPoolExecutor(1, thread_name_prefix="store-read")

    @property
    def is_open(self) -> bool:
        """Whether the store has been opened."""
        return self._store is not None

    async def open(self) -> None:
        """Connect and bring the schema up to date; raises what `opener` raises."""
        self._store = await _on(self._writes, self._opener)

    async def insert(self, table: str, rows: Sequence[Row]) -> None:
        """See `ReportStore.insert`; StoreUnavailable while it is not open."""
        store = self._opened()
        await _on(self._writes, lambda: store.insert(table, rows))

    async def query(self, sql: str, max_rows: int, parameters: dict[str, Any] | None = None) -> Answer:
        """See `ReportStore.query`; StoreUnavailable while it is not open."""
        store = self._opened()
        return await _on(self._reads, lambda: store.query(sql, max_rows, parameters))

    async def close(self) -> None:
        """Wait for the calls in hand, then let go of the store."""
        store, self._store = self._store, None
        await asyncio.to_thread(self._reads.shutdown, cancel_futures=True)
        if store is not None:
            await _on(self._writes, store.close)
        await asyncio.to_thread(self._writes.shutdown)

    def _opened(self) -> ReportStore:
        if self._store is None:
            raise StoreUnavailable("the store is not open", mend="see the service's log; try again")
        return self._store


async def _on(threads: ThreadPoolExecutor, work: Callable[[], ResultT]) -> ResultT:
    return await asyncio.get_running_loop().run_in_executor(threads, work)
