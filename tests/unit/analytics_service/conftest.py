"""Fresh stores. chDB holds one path per process at a time: each test opens its own and closes it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from analytics_service.ports import ReportStore
from analytics_service.stores import QueryLimits, store_opener

SERVER_URL = os.environ.get("TRUNKLINE_TEST_CLICKHOUSE_URL", "")
LIMITS = QueryLimits(timeout_s=5, memory_bytes=256 * 1024 * 1024, threads=1)


def pytest_report_header() -> str:
    return f"analytics stores: chDB{' and the server of TRUNKLINE_TEST_CLICKHOUSE_URL' if SERVER_URL else ''}"


@pytest.fixture(params=["chdb", "server"] if SERVER_URL else ["chdb"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a fresh store can be opened; a server's has a database of its own."""
    if request.param == "chdb":
        return f"chdb://{tmp_path / 'store'}"
    return f"{SERVER_URL.rstrip('/')}/test_{uuid4().hex}"


@pytest.fixture
def open_store(store_url: str) -> Iterator[Callable[[], ReportStore]]:
    """Opens the fresh store, again if need be; what is still open at the end is closed."""
    opened: list[ReportStore] = []

    def open_one() -> ReportStore:
        opened.append(store_opener(store_url, LIMITS)())
        return opened[-1]

    yield open_one
    for store in opened:
        store.close()


@pytest.fixture
def store(open_store: Callable[[], ReportStore]) -> ReportStore:
    """A fresh store, open."""
    return open_store()
