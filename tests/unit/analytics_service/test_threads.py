from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from analytics_service.errors import QueryRefused, StoreUnavailable
from analytics_service.ports import ReportStore
from analytics_service.threads import StoreThreads
from tests.unit.analytics_service.store_suite import REJECTED


async def test_a_store_that_is_not_open_says_so(open_store: Callable[[], ReportStore]) -> None:
    threads = StoreThreads(open_store)
    assert not threads.is_open
    with pytest.raises(StoreUnavailable, match="not open"):
        await threads.insert("rejected_log", [REJECTED])
    with pytest.raises(StoreUnavailable, match="not open"):
        await threads.query("SELECT 1", 1)
    await threads.close()


async def test_the_record_goes_on_beside_a_long_question(open_store: Callable[[], ReportStore]) -> None:
    threads = StoreThreads(open_store)
    await threads.open()
    question = asyncio.create_task(threads.query("SELECT sleepEachRow(0.5) FROM numbers(4)", 10))
    for sequence in range(5):
        await threads.insert("rejected_log", [{**REJECTED, "sequence": sequence}])
    assert not question.done()
    assert len((await question).rows) == 4
    assert (await threads.query("SELECT count() FROM rejected_events", 1)).rows == ((5,),)
    with pytest.raises(QueryRefused):
        await threads.query("SELECT nothing", 1)
    await threads.close()
    assert not threads.is_open
