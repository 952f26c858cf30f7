"""The command line: which commands there are, and how an error of ours leaves them."""

from __future__ import annotations

import sys
from importlib.metadata import version
from typing import Annotated

import typer

from contracts.errors import TrunklineError
from trunkline.commands import admin
from trunkline.commands.call import call
from trunkline.commands.demo import demo
from trunkline.commands.doctor import doctor
from trunkline.commands.load import load
from trunkline.commands.record import record
from trunkline.commands.replay import replay
from trunkline.commands.report import report
from trunkline.commands.restart import restart
from trunkline.commands.sql import sql
from trunkline.commands.up import up

app = typer.Typer(
    name="trunkline",
    help="Answers phone calls with AI agents, on a message bus.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for command in (up, restart, call, demo, load, record, replay, report, sql, doctor):
    app.command()(command)
app.add_typer(admin.app)


def _say_version(asked: bool) -> None:
    if asked:
        print(f"trunkline {version('trunkline')}")
        raise typer.Exit


@app.callback()
def _options(
    *,
    _: Annotated[
        bool, typer.Option("--version", callback=_say_version, is_eager=True, help="Say the version.")
    ] = False,
) -> None:
    """Options of the program itself."""


def main() -> None:
    """Run the command line; an error of ours is one line on standard error and exit status 1."""
    try:
        app()
    except TrunklineError as error:
        sys.exit(f"error: {error}")
