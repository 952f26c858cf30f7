"""`trunkline sql`: one reading statement against what was recorded."""

from __future__ import annotations

import csv
import json
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import typer
import uvloop
from rich.table import Table

from contracts.messages import SqlResult
from trunkline.commands.options import HOME, Home
from trunkline.errors import NotRunning
from trunkline.ledger import as_objects
from trunkline.reporting import ask_running, ask_store
from trunkline.state import RunningPlatform, read_state
from trunkline.view import plain_console

_MAX_ROWS: Final = 1_000


class Format(StrEnum):
    """How rows are written."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


def sql(
    statement: Annotated[
        str, typer.Argument(help="One SELECT; the views are turns, calls, replies, events.")
    ],
    *,
    form: Annotated[Format, typer.Option("--format", help="How to write the rows.")] = Format.TABLE,
    max_rows: Annotated[int, typer.Option("--max-rows", min=1, max=100_000)] = _MAX_ROWS,
    home: Home = HOME,
) -> None:
    """Ask the reporting store, through the running platform or, where none runs, directly."""
    running = _running(home)
    if running is None:
        result = ask_store(home, statement, max_rows)
    else:
        result = uvloop.run(ask_running(running.bus_url, statement, max_rows))
    write_rows(result, form)
    if result.truncated:
        plain_console(stderr=True).print(f"There are more rows; --max-rows is {max_rows}.", style="yellow")


def write_rows(result: SqlResult, form: Format) -> None:
    """Write the rows to standard output."""
    match form:
        case Format.JSON:
            print(json.dumps(as_objects(result), indent=1, ensure_ascii=False))
        case Format.CSV:
            writer = csv.writer(sys.stdout, lineterminator="\n")
            writer.writerow(result.columns)
            writer.writerows(result.rows)
        case Format.TABLE:
            _print_table(result)


def _print_table(result: SqlResult) -> None:
    table = Table(show_edge=False)
    for column in result.columns:
        table.add_column(column, overflow="fold")
    for row in result.rows:
        table.add_row(*("" if value is None else str(value) for value in row))
    plain_console().print(table)


def _running(home: Path) -> RunningPlatform | None:
    try:
        return read_state(home)
    except NotRunning:
        return None
