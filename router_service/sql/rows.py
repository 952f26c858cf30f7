"""The Rows port over one SQLAlchemy connection."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, Generic, TypeVar

from sqlalchemy import ColumnElement, Integer, delete, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from router_service.sql.tables import PLACES

RowT = TypeVar("RowT")


class SqlRows(Generic[RowT]):
    """Rows of one kind: a record's fields are the table's columns."""

    def __init__(self, connection: AsyncConnection, kind: type[RowT]) -> None:
        self._connection = connection
        self._kind = kind
        self._place = PLACES[kind]

    async def find(
        self, *, after: str | None = None, limit: int | None = None, **equals: object
    ) -> list[RowT]:
        """Those that match, in the kind's order."""
        order = self._place.table.c[self._place.order]
        statement = select(self._place.table).where(*self._matching(equals)).limit(limit)
        statement = statement.order_by(order.desc() if self._place.newest_first else order)
        if after is not None:
            edge: Any = _number_or_none(after) if isinstance(order.type, Integer) else after
            if edge is None:
                return []
            statement = statement.where(order < edge if self._place.newest_first else order > edge)
        found = await self._connection.execute(statement)
        return [self._kind(**row) for row in found.mappings()]

    async def put(self, row: RowT) -> None:
        """Insert the row, or update the one with its id."""
        values = {one.name: getattr(row, one.name) for one in fields(row)}  # type: ignore[arg-type]  # RowT is a dataclass
        dialect = postgresql if self._connection.dialect.name == "postgresql" else sqlite
        statement = dialect.insert(self._place.table).values(values)
        key = self._place.key.name
        changed = {name: statement.excluded[name] for name in values if name != key}
        await self._connection.execute(statement.on_conflict_do_update(index_elements=[key], set_=changed))

    async def remove(self, **equals: object) -> int:
        """Delete those that match."""
        done = await self._connection.execute(delete(self._place.table).where(*self._matching(equals)))
        return done.rowcount

    def _matching(self, equals: dict[str, object]) -> list[ColumnElement[bool]]:
        columns = self._place.table.c
        return [
            columns[name].is_(None) if value is None else columns[name] == value
            for name, value in equals.items()
        ]


def _number_or_none(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None
