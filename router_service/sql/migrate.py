"""Brings the database to today's tables, at start, under a lock: of several routers one does it."""

from __future__ import annotations

import logging
from importlib.resources import files
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import text
from sqlalchemy.engine import Connection
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from router_service.errors import DatabaseUnavailable
from router_service.sql.engine import WRITES

logging.getLogger("alembic").setLevel(logging.WARNING)  # it tells of each step; we tell of the whole
log = logging.getLogger(__name__)

_LOCK: Final = 0x7472756E6B  # "trunk": any number that nobody else in the database locks


async def migrate(engine: AsyncEngine) -> None:
    """Run the migrations that the database has not seen; raises DatabaseUnavailable."""
    try:
        async with engine.connect() as connection:
            await connection.execution_options(**{WRITES: True}, isolation_level=_isolation(engine))
            async with connection.begin():
                await connection.run_sync(_upgrade)
    except (SQLAlchemyError, OSError) as error:
        cause = getattr(error, "orig", None) or error
        raise DatabaseUnavailable(
            f"the database cannot be brought up to date: {cause}", mend="check TRUNKLINE_ROUTER_DATABASE_URL"
        ) from error


def configuration(connection: Connection) -> Config:
    """Alembic's configuration, on an open connection and with the migrations of this package."""
    config = Config()
    config.set_main_option("script_location", str(files("router_service.sql") / "migrations"))
    config.attributes["connection"] = connection
    return config


def _isolation(engine: AsyncEngine) -> str:
    return "READ COMMITTED" if engine.dialect.name == "postgresql" else "SERIALIZABLE"


def _upgrade(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    before = MigrationContext.configure(connection).get_current_revision()
    command.upgrade(configuration(connection), "head")
    after = MigrationContext.configure(connection).get_current_revision()
    if before != after:
        log.info("database migrated from %s to %s", before or "nothing", after)
