"""ClickHouse through clickhouse-connect: a server, or chDB, the same engine inside this process.

Two clients of one database: one that writes, and one that is read-only for good. chDB allows one process per
path and any number of handles in it; both of ours may be used at once, each from its own thread.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from analytics_service.errors import StorePackageMissing
from analytics_service.ports import Answer, Row
from analytics_service.statements import streams
from analytics_service.stores.address import DATABASE, ServerAddress
from analytics_service.stores.limits import WRITES, QueryLimits

try:
    import clickhouse_connect
    from clickhouse_connect.driver.exceptions import ClickHouseError
except ModuleNotFoundError as missing:
    raise StorePackageMissing(
        f"{missing.name} is not installed", mend="pip install 'trunkline[analytics]'"
    ) from missing

from analytics_service.stores import faults
from analytics_service.stores.migrations import migrate

if TYPE_CHECKING:
    from clickhouse_connect.driver.client import Client
    from clickhouse_connect.driver.insert import InsertContext

# What converting a value of the wrong kind or size to a column raises, besides the client's own errors.
_BAD_VALUES = (TypeError, ValueError, OverflowError, AttributeError)
# chDB takes a file that is not there for an empty one.
_ENGINE: Final = {"config-file": str(Path(__file__).with_name("embedded.xml"))}


class ClickHouseStore:
    """A ReportStore on two open clients, whose database `migrate` has brought up to date."""

    def __init__(self, writer: Client, reader: Client) -> None:
        self._writer = writer
        self._reader = reader
        self._inserts: dict[str, InsertContext] = {}

    def insert(self, table: str, rows: Sequence[Row]) -> None:
        """See `ReportStore.insert`."""
        try:
            prepared = self._inserts.get(table) or self._prepare(table)
            prepared.data = [[row.get(column) for row in rows] for column in prepared.column_names]
            self._writer.data_insert(prepared)
        except (ClickHouseError, *_BAD_VALUES) as error:
            # A value that cannot be sent breaks the connection to a server: the value is the fault to name.
            context = self._inserts.pop(table, None)
            fault = (context.insert_exception if context else None) or error
            raise faults.of_insert(fault, table) from error

    def query(self, sql: str, max_rows: int, parameters: dict[str, Any] | None = None) -> Answer:
        """See `ReportStore.query`."""
        try:
            if streams(sql):
                return self._stream(sql, max_rows, parameters)
            result = self._reader.query(sql, parameters=parameters)
        except ClickHouseError as error:
            raise faults.of_query(error) from error
        rows = tuple(tuple(row) for row in result.result_rows[:max_rows])
        return Answer(tuple(result.column_names), rows, truncated=len(result.result_rows) > max_rows)

    def close(self) -> None:
        """See `ReportStore.close`."""
        self._reader.close()
        self._writer.close()

    def _prepare(self, table: str) -> InsertContext:
        context = self._writer.create_insert_context(table, column_oriented=True)
        self._inserts[table] = context
        return context

    def _stream(self, sql: str, max_rows: int, parameters: dict[str, Any] | None) -> Answer:
        with self._reader.query_rows_stream(sql, parameters=parameters) as stream:
            rows = tuple(tuple(row) for row in islice(stream, max_rows + 1))
            columns = tuple(stream.source.column_names)
        if not columns:  # chDB sends nothing at all where there are no rows
            described = self._reader.query(f"DESCRIBE ({sql})", parameters=parameters)
            columns = tuple(str(name) for name in described.result_columns[0])
        return Answer(columns, rows[:max_rows], truncated=len(rows) > max_rows)


def open_chdb(path: str, limits: QueryLimits) -> ClickHouseStore:
    """The embedded store in the folder `path`, made when missing; raises StoreUnavailable, SchemaTooNew."""
    folder = str(Path(path).absolute())

    def connect() -> Client:
        try:
            return clickhouse_connect.get_client(
                interface="chdb", path=folder, tz_mode="aware", chdb_options=_ENGINE
            )
        except ImportError as error:
            raise StorePackageMissing(
                "chdb is not installed", mend="pip install 'trunkline[chdb]'"
            ) from error

    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        return _open(connect, DATABASE, limits)
    except (ClickHouseError, OSError) as error:
        mend = "is it writable, and does no other process have it open? it belongs to one process at a time"
        raise faults.of_open(error, folder, mend) from error


def open_server(address: ServerAddress, limits: QueryLimits) -> ClickHouseStore:
    """The store on a server; raises StoreUnavailable, SchemaTooNew."""

    def connect() -> Client:
        return clickhouse_connect.get_client(
            host=address.host,
            port=address.port,
            username=address.user,
            password=address.password,
            secure=address.secure,
            tz_mode="aware",
        )

    try:
        return _open(connect, address.database, limits)
    except ClickHouseError as error:
        mend = "is it running, and are address, user and password right?"
        raise faults.of_open(error, str(address), mend) from error


def _open(connect: Callable[[], Client], database: str, limits: QueryLimits) -> ClickHouseStore:
    with ExitStack() as undo:
        writer = connect()
        undo.callback(writer.close)
        if not writer.command(f"EXISTS DATABASE `{database}`"):
            writer.command(f"CREATE DATABASE IF NOT EXISTS `{database}`")
        writer.database = database
        migrate(writer)
        for name, value in WRITES.items():
            writer.set_client_setting(name, value)
        reader = connect()
        undo.callback(reader.close)
        reader.database = database
        for name, value in limits.settings.items():
            reader.set_client_setting(name, value)
        reader.set_client_setting("readonly", 1)  # the last: nothing can be set after it
        undo.pop_all()
        return ClickHouseStore(writer, reader)
