"""What analytics needs of a store; `stores/` holds what offers it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

Row = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Answer:
    """Rows as the store returned them, in Python's own types; `truncated` when there were more."""

    columns: tuple[str, ...]
    rows: tuple[tuple[object, ...], ...]
    truncated: bool


class ReportStore(Protocol):
    """An open store whose schema is up to date. It blocks: see `threads.py`."""

    def insert(self, table: str, rows: Sequence[Row]) -> None:
        """Write rows, each naming only the columns that it fills; the same row again changes nothing.

        Raises StoreUnavailable when trying again may help, RowsRefused when it never will.
        """
        ...

    def query(self, sql: str, max_rows: int, parameters: dict[str, Any] | None = None) -> Answer:
        """Answer one statement, read-only; raises QueryRefused with the store's own words.

        `{name:Type}` in it stands for a value of `parameters`, which the store binds. May run beside
        `insert`, on a thread of its own.
        """
        ...

    def close(self) -> None:
        """Let go of the store."""
        ...
