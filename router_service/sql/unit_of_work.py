"""The UnitOfWork port over SQLAlchemy: one transaction around a piece of work, again when it lost a race."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from sqlalchemy.exc import DBAPIError, IntegrityError, InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from router_service.errors import Conflict, DatabaseUnavailable
from router_service.ports import Rows, Transaction
from router_service.sql.engine import WRITES
from router_service.sql.rows import SqlRows

log = logging.getLogger(__name__)

RowT = TypeVar("RowT")
ResultT = TypeVar("ResultT")

_TRIES: Final = 10
_LOST_RACE: Final = frozenset({"40001", "40P01"})  # PostgreSQL: serialization failure, deadlock
_AWAY: Final = ("08", "53", "57", "58")  # PostgreSQL: connection, resources, operator, system


class SqlTransaction:
    """The Transaction port over one connection."""

    def __init__(self, connection: AsyncConnection) -> None:
        self._connection = connection

    def rows(self, kind: type[RowT]) -> Rows[RowT]:
        """The rows of a kind."""
        return SqlRows(self._connection, kind)


class SqlUnitOfWork:
    """Runs work in transactions; `on_commit` is called right after one that may have changed something."""

    def __init__(
        self, engine: AsyncEngine, rng: random.Random, on_commit: Callable[[], None] = lambda: None
    ) -> None:
        self._engine = engine
        self._rng = rng
        self._on_commit = on_commit

    async def read(self, work: Callable[[Transaction], Awaitable[ResultT]]) -> ResultT:
        """Run work that changes nothing."""
        return await self._run(work, writes=False)

    async def write(self, work: Callable[[Transaction], Awaitable[ResultT]]) -> ResultT:
        """Run work and keep what it changed."""
        result = await self._run(work, writes=True)
        self._on_commit()
        return result

    async def _run(self, work: Callable[[Transaction], Awaitable[ResultT]], *, writes: bool) -> ResultT:
        for attempt in range(1, _TRIES + 1):
            try:
                return await self._once(work, writes=writes)
            except (SQLAlchemyError, OSError) as error:
                if _is_away(error):
                    raise _unavailable(error) from error
                if not _lost_race(error):
                    raise
                if attempt == _TRIES:
                    raise _given_up(error) from error
                await asyncio.sleep(self._rng.uniform(0, 0.01 * 2 ** min(attempt, 5)))
        raise AssertionError("the loop above returns or raises")

    async def _once(self, work: Callable[[Transaction], Awaitable[ResultT]], *, writes: bool) -> ResultT:
        async with self._engine.connect() as connection:
            await connection.execution_options(**{WRITES: writes})
            async with connection.begin():
                return await work(SqlTransaction(connection))


def _lost_race(error: Exception) -> bool:
    """Whether somebody else was faster. A duplicate is such a race: run again, the work names it."""
    if isinstance(error, IntegrityError):
        return True
    return isinstance(error, DBAPIError) and getattr(error.orig, "sqlstate", None) in _LOST_RACE


def _is_away(error: Exception) -> bool:
    """Whether the database is at fault and not what it was asked."""
    if isinstance(error, DBAPIError):
        state = getattr(error.orig, "sqlstate", None)
        if state is not None:
            return str(state).startswith(_AWAY)
        return isinstance(error, (OperationalError, InterfaceError)) or error.connection_invalidated
    return isinstance(error, (OSError, PoolTimeout))


def _given_up(error: Exception) -> Exception:
    if isinstance(error, IntegrityError):
        log.error("the database refuses: %s", error.orig)
        return Conflict("the change contradicts what is stored", mend="read it again, then repeat the change")
    return DatabaseUnavailable("too many changes at once", mend="try again")


def _unavailable(error: Exception) -> DatabaseUnavailable:
    cause = getattr(error, "orig", None) or error
    log.error("database: %s: %s", type(cause).__name__, cause)
    return DatabaseUnavailable("the database cannot be reached", mend="calls go on; try again in a moment")
