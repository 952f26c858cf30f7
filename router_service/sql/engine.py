"""Opens the database: SQLite beside the platform, or PostgreSQL by its address.

Both behave as if transactions ran one after the other: SQLite because a writer takes the file for itself
before it reads, PostgreSQL because it is asked to be SERIALIZABLE.
"""

from __future__ import annotations

from pathlib import Path
from threading import Thread
from typing import Any, Final
from weakref import WeakSet

import aiosqlite
from sqlalchemy import URL, event, make_url
from sqlalchemy.engine import Connection
from sqlalchemy.exc import ArgumentError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from router_service.errors import BadConfiguration

WRITES: Final = "trunkline_writes"
"""The execution option of a connection whose transaction will change something."""

_CONNECTIONS: Final = 8
_ENDS_WITHIN_S: Final = 1.0


def open_engine(url: str, home: Path) -> AsyncEngine:
    """The engine for `url`, or for a file in `home` where that is empty; raises BadConfiguration."""
    address = _address(url, home)
    if address.get_backend_name() == "sqlite":
        return _sqlite(address)
    return create_async_engine(
        address,
        pool_size=_CONNECTIONS,
        pool_pre_ping=True,
        isolation_level="SERIALIZABLE",
        connect_args={"timeout": 5, "command_timeout": 30},
    )


def _address(url: str, home: Path) -> URL:
    if not url:
        folder = home / "router"
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return URL.create("sqlite+aiosqlite", database=str(folder / "router.db"))
    try:
        address = make_url(url)
        drivers = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+asyncpg"}
        return address.set(drivername=drivers[address.get_backend_name()])
    except (ArgumentError, KeyError) as error:
        raise BadConfiguration(
            "router_database_url is no database that router knows",
            mend="use postgresql://user:password@host/name, or leave TRUNKLINE_ROUTER_DATABASE_URL empty",
        ) from error


def _sqlite(address: URL) -> AsyncEngine:
    threads: WeakSet[Thread] = WeakSet()

    def connect(*arguments: Any, **options: Any) -> aiosqlite.Connection:
        connection = aiosqlite.connect(*arguments, **options)
        connection._thread.daemon = True  # noqa: SLF001 - as SQLAlchemy does; aiosqlite shows it to nobody
        threads.add(connection._thread)  # noqa: SLF001 - as above
        return connection

    engine = create_async_engine(address, pool_size=_CONNECTIONS, connect_args={"async_creator_fn": connect})

    @event.listens_for(engine.sync_engine, "connect")
    def _prepare(connection: Any, _: object) -> None:
        connection.isolation_level = None  # transactions begin where we say, not where the driver thinks
        cursor = connection.cursor()
        for pragma in ("journal_mode=WAL", "foreign_keys=ON", "busy_timeout=5000", "synchronous=FULL"):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def _begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get(WRITES, False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    @event.listens_for(engine.sync_engine, "engine_disposed")
    def _wait(_: object) -> None:
        # A connection whose user was cancelled is waited for by nobody, and tells the loop when it ends.
        for thread in threads:
            thread.join(_ENDS_WITHIN_S)

    return engine
