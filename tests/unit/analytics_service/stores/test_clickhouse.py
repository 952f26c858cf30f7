"""The shared suite against chDB (and a server, where one is named), and what is chDB's own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from analytics_service.errors import QueryRefused, SchemaTooNew, StoreUnavailable
from analytics_service.ports import ReportStore
from analytics_service.stores import QueryLimits, store_opener
from tests.unit.analytics_service.store_suite import ReportStoreSuite

ROOT = Path(__file__).parents[4]
HOLDER = """
import sys
from analytics_service.stores import QueryLimits, store_opener
store = store_opener(sys.argv[1], QueryLimits(5, 2**28, 1))()
print("open", flush=True)
sys.stdin.read()
"""
REMOVER = """
import os, sys
from analytics_service.stores import QueryLimits, store_opener
store = store_opener(sys.argv[1], QueryLimits(5, 2**28, 1))()
write = store._writer.command
write("CREATE TABLE parts (part UInt8) ENGINE = MergeTree ORDER BY part PARTITION BY part")
write("INSERT INTO parts SELECT number FROM numbers(200) SETTINGS max_partitions_per_insert_block = 0")
before = len(os.listdir("/proc/self/task"))
write("DROP TABLE parts SYNC")
print(len(os.listdir("/proc/self/task")) - before)
store.close()
"""


class TestClickHouseStore(ReportStoreSuite):
    """Every store that `store` opens is a ClickHouseStore."""


def test_a_question_that_takes_too_long_is_stopped(tmp_path: Path) -> None:
    store = store_opener(f"chdb://{tmp_path}/store", QueryLimits(1, 2**28, 1))()
    try:
        with pytest.raises(QueryRefused, match="Timeout exceeded") as caught:
            store.query(
                "SELECT sum(cityHash64(a.number, b.number)) FROM numbers(1000000) a, numbers(1000000) b", 1
            )
        assert "ask for less" in caught.value.mend
    finally:
        store.close()


def test_a_store_of_a_newer_build_is_left_alone(
    store: ReportStore, open_store: Callable[[], ReportStore]
) -> None:
    store.insert("schema_migrations", [{"version": 9999, "name": "9999_future.sql", "applied_at": 0}])
    store.close()
    with pytest.raises(SchemaTooNew, match="schema 9999"):
        open_store()


def test_a_folder_that_another_process_holds_can_be_opened_once_it_lets_go(tmp_path: Path) -> None:
    opener = store_opener(f"chdb://{tmp_path}/store", QueryLimits(5, 2**28, 1))
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, f"chdb://{tmp_path}/store"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"open\n"
        with pytest.raises(StoreUnavailable, match="belongs to one process") as caught:
            opener()
        assert caught.value.retryable
        holder.kill()
    opener().close()


def test_an_embedded_store_grows_no_threads_to_remove_what_was_merged(tmp_path: Path) -> None:
    """200 parts at once, where more than 100 would have a pool of 128 threads that stay."""
    remover = subprocess.run(
        [sys.executable, "-c", REMOVER, f"chdb://{tmp_path}/store"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        check=True,
    )
    assert int(remover.stdout) < 16


def test_a_path_that_is_no_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreUnavailable, match="file"):
        store_opener(f"chdb://{tmp_path}/file", QueryLimits(5, 2**28, 1))()


def test_a_server_that_does_not_answer_may_answer_later() -> None:
    opener = store_opener("clickhouse://someone:secret@127.0.0.1:1/reports", QueryLimits(5, 2**28, 1))
    with pytest.raises(StoreUnavailable, match=r"127\.0\.0\.1:1/reports") as caught:
        opener()
    assert caught.value.retryable
    assert "secret" not in str(caught.value)
