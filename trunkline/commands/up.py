"""`trunkline up`: everything on this machine until Ctrl-C."""

from __future__ import annotations

import asyncio
import time
from typing import Annotated

import typer
from rich.console import Console

from contracts.errors import TrunklineError
from trunkline.administration import first_key
from trunkline.bus_client import open_bus
from trunkline.commands.options import HOME, Home, LocalLlm, Spread, Tenants, VoiceEngine, Workers
from trunkline.interrupts import INTERRUPTED, Interrupts, run_interruptible
from trunkline.local_platform import TENANTS, LocalPlatform, Options
from trunkline.state import RunningPlatform
from trunkline.view import plain_console, process_line
from trunkline.workers import parse_workers


def up(
    *,
    home: Home = HOME,
    port: Annotated[
        int,
        typer.Option(
            "--port",
            envvar="TRUNKLINE_GATEWAY_PORT",
            min=0,
            max=65_535,
            help="Where calls come in, several gateways from there on; 0: any free one.",
        ),
    ] = 8080,
    nats_port: Annotated[
        int, typer.Option("--nats-port", min=0, max=65_535, help="Where the bus listens; 0: any free one.")
    ] = 0,
    rest: Annotated[
        bool, typer.Option("--rest/--no-rest", help="Serve REST and the carrier's webhooks, too.")
    ] = True,
    rest_port: Annotated[
        int,
        typer.Option(
            "--rest-port",
            envvar="TRUNKLINE_REST_PORT",
            min=0,
            max=65_535,
            help="Where REST listens; 0: any free one.",
        ),
    ] = 8081,
    tenants: Tenants = TENANTS,
    voice: VoiceEngine = "",
    spread: Spread = False,
    workers: Workers = "",
    local_llm: LocalLlm = True,
) -> None:
    """Start the platform on this machine and keep it up until Ctrl-C."""
    options = Options(
        home=home,
        tenants=tenants,
        port=port,
        nats_port=nats_port,
        voice=voice,
        spread=spread,
        workers=parse_workers(workers),
        rest=rest,
        rest_port=rest_port,
        local_llm=local_llm,
    )
    status = run_interruptible(lambda interrupts: _run(options, interrupts))
    raise typer.Exit(0 if status == INTERRUPTED else status)


async def _run(options: Options, interrupts: Interrupts) -> int:
    console = plain_console()
    console.print(f"Starting in {options.home.absolute()}", soft_wrap=True)
    started_s = time.monotonic()
    platform = LocalPlatform(options, lambda report: console.print(process_line(report), soft_wrap=True))
    interrupts.hurry = platform.hurry
    async with platform:
        for fault in platform.faults:
            console.print(f"  cannot be called: {fault}", style="yellow", soft_wrap=True)
        console.print(
            f"Ready in {time.monotonic() - started_s:.1f} s. Calls: {' '.join(platform.state.media_urls)}  "
            f"{f'REST: {platform.state.rest_url}/v1  ' if platform.state.rest_url else ''}"
            f"Bus: {platform.state.nats_url}  Logs: {options.home / 'logs'}  Ctrl-C stops it.",
            soft_wrap=True,
        )
        await _say_first_key(platform.state, console)
        try:
            await asyncio.Event().wait()
        finally:
            console.print("Stopping; Ctrl-C again does not wait for calls.")
    return 0


async def _say_first_key(state: RunningPlatform, console: Console) -> None:
    """The key by which REST knows an admin, at the first start of a home: nobody can ask for it again."""
    if not any("router" in one.name for one in state.processes):
        return
    try:
        async with open_bus(state.bus_url) as bus:
            key = await first_key(bus)
    except TrunklineError as error:
        console.print(
            f"  no admin key: {error}; trunkline admin key create --label NAME makes one",
            style="yellow",
            soft_wrap=True,
        )
        return
    if key is not None:
        console.print(f"Admin API key, shown this once: {key}", soft_wrap=True)
