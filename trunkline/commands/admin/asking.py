"""One request of `trunkline admin`, from its options to what is printed."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar

import typer
import uvloop
from rich.table import Table

from contracts import messages as m
from contracts.channel import Channel
from runtime.bus import Bus
from trunkline.administration import ask, list_all
from trunkline.bus_client import open_bus
from trunkline.state import read_state
from trunkline.view import plain_console

Answer = TypeVar("Answer")

_COPIED: Final = ("id", "number", "slug")

AsJson = Annotated[bool, typer.Option("--json", help="Write JSON instead of a table.")]
Tenant = Annotated[str, typer.Option("--tenant", help="The tenant's slug.")]
AnyTenant = Annotated[str, typer.Option("--tenant", help="The tenant's slug; none: the platform's.")]


def at(home: Path, nats: str, work: Callable[[Bus], Awaitable[Answer]]) -> Answer:
    """The result of `work` on the bus of the platform that is meant; raises NotRunning where none runs."""
    url = nats or read_state(home).bus_url

    async def run() -> Answer:
        async with open_bus(url) as bus:
            return await work(bus)

    return uvloop.run(run())


def asked(
    home: Path, nats: str, channel: Channel[Any], operation: m.Message, tenant: str | None = None
) -> Any:
    """Router's answer to one operation."""
    return at(home, nats, lambda bus: ask(bus, channel, tenant or None, operation=operation))


def listed(
    home: Path, nats: str, channel: Channel[Any], kind: type[m.Message], tenant: str | None = None
) -> tuple[m.Message, ...]:
    """Everything of a kind."""
    return at(home, nats, lambda bus: list_all(bus, channel, kind, tenant or None))


def show_all(items: Sequence[m.Message], columns: Sequence[str], *, as_json: bool) -> None:
    """Many things: a table of these fields, or JSON with all of them."""
    if as_json:
        print(json.dumps([item.model_dump(mode="json") for item in items], indent=1, ensure_ascii=False))
        return
    table = Table(show_edge=False)
    for column in columns:
        title = column.removesuffix("_us").replace("_", " ")
        table.add_column(title, overflow="fold", no_wrap=column in _COPIED)
    for item in items:
        table.add_row(*(_cell(column, getattr(item, column)) for column in columns))
    plain_console().print(table)


def show_one(item: m.Message, *, as_json: bool, **more: str) -> None:
    """One thing: a line for each field, or JSON."""
    if as_json:
        print(json.dumps({**item.model_dump(mode="json"), **more}, indent=1, ensure_ascii=False))
        return
    table = Table(show_edge=False, show_header=False, box=None)
    table.add_column(style="dim")
    table.add_column(overflow="fold")
    for name in type(item).model_fields:
        table.add_row(name.removesuffix("_us").replace("_", " "), _cell(name, getattr(item, name)))
    for name, value in more.items():
        table.add_row(name.replace("_", " "), value)
    plain_console().print(table)


def _cell(name: str, value: object) -> str:
    match value:
        case None:
            text = ""
        case bool():
            text = "yes" if value else "no"
        case int() if name.endswith("_us"):
            text = datetime.fromtimestamp(value / 1e6, UTC).isoformat(sep=" ", timespec="seconds")
        case str() | int() | float():
            text = str(value)
        case m.Message():
            text = value.model_dump_json(indent=1)
        case _:
            text = json.dumps(value, ensure_ascii=False, default=_plain)
    return text


def _plain(value: object) -> object:
    return value.model_dump(mode="json") if isinstance(value, m.Message) else str(value)
