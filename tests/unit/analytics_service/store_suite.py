"""What every ReportStore does; each adapter's test module inherits it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any

import pytest

from analytics_service.errors import QueryRefused, RowsRefused
from analytics_service.ports import Answer, ReportStore, Row
from analytics_service.projections import project
from contracts.examples import EXAMPLES
from contracts.messages import Event
from tests.unit.analytics_service.stories import whole_call


def insert_events(store: ReportStore, events: list[Event[Any]]) -> None:
    tables: defaultdict[str, list[Row]] = defaultdict(list)
    for event in events:
        for table, row in project(event):
            tables[table].append(row)
    for table, rows in tables.items():
        store.insert(table, rows)


def as_dicts(answer: Answer) -> list[dict[str, Any]]:
    return [dict(zip(answer.columns, row, strict=True)) for row in answer.rows]


def ask(store: ReportStore, sql: str) -> list[dict[str, Any]]:
    return as_dicts(store.query(sql, 1000))


REJECTED = {
    "stored_at": 1_767_258_000_123_456,
    "sequence": 7,
    "subject": "s",
    "code": "bad_message",
    "error": "e",
    "size": 1,
    "data_pii": "x",
}

UNFIT: list[dict[str, Any]] = [
    {"size": 2**40},
    {"sequence": -1},
    {"subject": None},
    {"data_pii": "\ud800"},
    {"stored_at": "x"},
]
FORBIDDEN = [
    "INSERT INTO event_log (id) VALUES ('a')",
    "DROP TABLE event_log",
    "TRUNCATE TABLE event_log",
    "ALTER TABLE event_log DELETE WHERE 1",
    "CREATE TABLE t (a Int8) ENGINE = Memory",
    "OPTIMIZE TABLE event_log",
    "SET readonly = 0",
    "SELECT 1 SETTINGS readonly = 0",
    "SELECT 1 SETTINGS max_execution_time = 0",
    "SELECT * FROM file('/etc/hostname', 'LineAsString')",
    "SELECT * FROM url('http://127.0.0.1:1/', 'LineAsString')",
]
WRONG = {
    "SELECT nothing FROM calls": "`nothing`",
    "SELECT 1 FROM nowhere": "nowhere",
    "SELEC 1": "Syntax error",
    "SELECT throwIf(number = 3) FROM numbers(10)": "throwIf",
    "SELECT groupArray(number) FROM numbers(100000000)": "memory limit",
}


class ReportStoreSuite:
    def test_a_row_comes_back_with_its_types(self, store: ReportStore) -> None:
        store.insert("rejected_log", [REJECTED])
        [row] = ask(store, "SELECT * FROM rejected_events")
        assert row["stored_at"].isoformat() == "2026-01-01T09:00:00.123456+00:00"
        assert {**row, "stored_at": REJECTED["stored_at"]} == REJECTED

    def test_every_example_of_an_event_fits_its_tables_and_comes_back(self, store: ReportStore) -> None:
        told = [one.message for one in EXAMPLES if isinstance(one.message, Event)]
        recorded = [one for one in told if type(one.body).__name__ != "PartialTranscript"]
        insert_events(store, recorded)
        rows = ask(store, "SELECT id, at, event, body_pii FROM events")
        assert {row["id"] for row in rows} == {one.id for one in recorded}
        assert all(row["body_pii"] for row in rows)

    def test_projected_columns_are_columns_of_their_tables(self, store: ReportStore) -> None:
        for event in whole_call().events:
            for table, row in project(event):
                columns = {column["name"] for column in ask(store, f"DESCRIBE TABLE {table}")}
                assert set(row) <= columns, (table, set(row) - columns)

    def test_the_same_rows_again_change_nothing(self, store: ReportStore) -> None:
        events = whole_call().events
        views = [row["name"] for row in ask(store, "SHOW TABLES") if not row["name"].endswith("_facts")]
        ordered = [f"SELECT * FROM {view} ORDER BY ALL" for view in views if not view.endswith("_log")]
        insert_events(store, events)
        before = [store.query(sql, 1000) for sql in ordered]
        insert_events(store, events[::-1])
        assert [store.query(sql, 1000) for sql in ordered] == before
        assert sum(len(one.rows) for one in before) > len(events)

    def test_rows_survive_closing_and_opening(
        self, store: ReportStore, open_store: Callable[[], ReportStore]
    ) -> None:
        insert_events(store, whole_call().events)
        store.close()
        again = open_store()
        insert_events(again, whole_call().events)
        assert ask(again, "SELECT count() AS n FROM events") == [{"n": len(whole_call().events)}]

    def test_migrations_run_once(self, store: ReportStore, open_store: Callable[[], ReportStore]) -> None:
        applied = ask(store, "SELECT * FROM schema_migrations")
        store.close()
        assert ask(open_store(), "SELECT * FROM schema_migrations") == applied != []

    def test_a_row_that_cannot_fit_is_refused_for_good(self, store: ReportStore) -> None:
        for bad in UNFIT:
            with pytest.raises(RowsRefused, match="rejected_log takes no such row") as caught:
                store.insert("rejected_log", [REJECTED, {**REJECTED, "sequence": 8, **bad}])
            assert not caught.value.retryable
        store.insert("rejected_log", [REJECTED])
        assert ask(store, "SELECT count() AS n FROM rejected_events") == [{"n": 1}]

    def test_the_store_itself_refuses_to_write_or_reach_out(self, store: ReportStore) -> None:
        store.insert("rejected_log", [REJECTED])
        tables = ask(store, "SHOW TABLES")
        for sql in FORBIDDEN:
            with pytest.raises(QueryRefused):
                store.query(sql, 10)
        assert ask(store, "SELECT count() AS n FROM rejected_events") == [{"n": 1}]
        assert ask(store, "SHOW TABLES") == tables

    def test_no_more_rows_than_asked_for(self, store: ReportStore) -> None:
        assert store.query("SELECT number FROM numbers(5)", 5).truncated is False
        cut = store.query("SELECT number FROM numbers(1000000000000)", 3)
        assert (cut.rows, cut.truncated) == (((0,), (1,), (2,)), True)
        shown = store.query("SHOW TABLES", 2)
        assert (len(shown.rows), shown.truncated) == (2, True)

    def test_a_value_is_bound_and_never_read_as_part_of_the_statement(self, store: ReportStore) -> None:
        for value in ("x' OR 1 = 1 --", "\\'; DROP TABLE event_log", "{b:String}", "line\nbreak", ""):
            sql = "SELECT {a:String} AS x WHERE {a:String} = {b:String}"
            assert as_dicts(store.query(sql, 1, {"a": value, "b": value})) == [{"x": value}]
            assert store.query(sql, 1, {"a": value, "b": "other"}).rows == ()

    def test_columns_are_named_where_there_are_no_rows(self, store: ReportStore) -> None:
        assert store.query("SELECT tenant, call FROM calls WHERE 0", 1).columns == ("tenant", "call")
        assert store.query("WITH a AS (SELECT 1 AS x) SELECT x FROM a WHERE x = 2", 1).columns == ("x",)

    def test_a_bad_statement_is_told_in_the_stores_words(self, store: ReportStore) -> None:
        for sql, words in WRONG.items():
            with pytest.raises(QueryRefused, match=words) as caught:
                store.query(sql, 10)
            assert len(caught.value.message) <= 301
            assert "DB::Exception" not in caught.value.message
            assert ask(store, "SELECT 1 AS x") == [{"x": 1}]
