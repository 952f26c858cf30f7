"""`trunkline restart`: start processes of the running platform anew, one at a time, without losing a call."""

from __future__ import annotations

from typing import Annotated

import typer

from trunkline.commands.options import HOME, Home
from trunkline.control import ask_restart
from trunkline.errors import BadOption
from trunkline.interrupts import run_interruptible
from trunkline.state import RunningPlatform, read_state
from trunkline.supervisor import Happening, Report
from trunkline.view import plain_console, process_line


def restart(
    names: Annotated[
        list[str] | None,
        typer.Argument(help="Processes, such as stt-2, or services, such as stt, for all processes of each."),
    ] = None,
    *,
    everything: Annotated[
        bool, typer.Option("--all", help="Every process that runs services, one after the other.")
    ] = False,
    home: Home = HOME,
) -> None:
    """Let processes give their calls away, end, and start again, each ready before the next one goes."""
    if bool(names) is everything:
        raise BadOption("it is not said what to restart", mend="name processes or services, or say --all")
    state = read_state(home)
    raise typer.Exit(run_interruptible(lambda _: _run(state, names or [])))


async def _run(state: RunningPlatform, names: list[str]) -> int:
    console = plain_console()
    async for name, ms in ask_restart(state, names):
        console.print(process_line(Report(name, Happening.RESTARTED, ms)), soft_wrap=True)
    return 0
