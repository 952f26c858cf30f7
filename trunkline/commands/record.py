"""`trunkline record`: keep the traffic of calls in one file, to be replayed."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console

from contracts.identities import check_token, number_key
from runtime.clock import SystemClock
from trunkline.bus_client import open_bus
from trunkline.commands.options import HOME, Home, Nats, writable_folder_of
from trunkline.interrupts import run_interruptible
from trunkline.progress import Progress
from trunkline.recording.index import Preamble
from trunkline.recording.recorder import Recorder, Wanted
from trunkline.recording.writer import RecordingWriter
from trunkline.state import read_state
from trunkline.view import plain_console

_LOOK_EVERY_S: Final = 0.2
_MEGABYTE: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class _Plan:
    path: Path
    nats_url: str
    wanted: Wanted
    for_s: float
    until_calls: int


def record(
    file: Annotated[Path, typer.Argument(help="The file to write; one that is there is left alone.")],
    *,
    tenant: Annotated[list[str] | None, typer.Option("--tenant", help="Only calls of this tenant.")] = None,
    number: Annotated[
        list[str] | None, typer.Option("--number", help="Only calls to this number, such as +15550100.")
    ] = None,
    call: Annotated[list[str] | None, typer.Option("--call", help="Only the call of this id.")] = None,
    no_audio: Annotated[bool, typer.Option("--no-audio", help="Events only: it cannot be replayed.")] = False,
    for_s: Annotated[float, typer.Option("--for", min=0, help="Stop after so many seconds; 0: never.")] = 0,
    until_calls: Annotated[
        int, typer.Option("--until-calls", min=0, help="Stop once so many calls are over; 0: never.")
    ] = 0,
    nats: Nats = "",
    home: Home = HOME,
) -> None:
    """Record calls from now on, audio included, until Ctrl-C.

    Of tenants that do not allow recording (recording_allowed) audio and words are left out.
    """
    for name in tenant or ():
        check_token("tenant", name)
    for one in call or ():
        check_token("call", one)
    numbers = frozenset(f"+{number_key(one)}" for one in number or ())
    wanted = Wanted(frozenset(tenant or ()), numbers, frozenset(call or ()), audio=not no_audio)
    nats_url = nats or read_state(home).bus_url
    plan = _Plan(writable_folder_of(file, "FILE"), nats_url, wanted, for_s, until_calls)
    raise typer.Exit(run_interruptible(lambda _: _run(plan)))


async def _run(plan: _Plan) -> int:
    console, clock = plain_console(), SystemClock()
    async with open_bus(plan.nats_url) as bus:
        writer = RecordingWriter(plan.path, _preamble(plan.wanted, clock.now_us()))
        recorder = Recorder(bus, writer, plan.wanted, clock)
        try:
            await recorder.start()
        except BaseException:
            plan.path.unlink(missing_ok=True)
            raise
        console.print(f"Recording to {plan.path}; Ctrl-C ends it.", soft_wrap=True)
        try:
            async with Progress(console, lambda: _told(recorder, writer)):
                with suppress(TimeoutError, asyncio.CancelledError):  # Ctrl-C is how a recording ends
                    await asyncio.wait_for(_until_enough(recorder, plan.until_calls), plan.for_s or None)
        finally:
            await recorder.stop()
    _summarize(console, plan.path, recorder, writer)
    return 0


def _preamble(wanted: Wanted, now_us: int) -> Preamble:
    return Preamble(
        trunkline=version("trunkline"),
        began_us=now_us,
        audio=wanted.audio,
        tenants=tuple(sorted(wanted.tenants)),
        numbers=tuple(sorted(wanted.numbers)),
        calls=tuple(sorted(wanted.calls)),
    )


async def _until_enough(recorder: Recorder, calls: int) -> None:
    while not calls or recorder.ended < calls:
        recorder.check()
        await asyncio.sleep(_LOOK_EVERY_S)


def _told(recorder: Recorder, writer: RecordingWriter) -> str:
    return (
        f"{recorder.running} calls under way, {recorder.ended} over, {recorder.messages} messages, "
        f"{writer.index.ended_us / 1_000_000:.0f} s, {writer.index.lost} lost"
    )


def _summarize(console: Console, path: Path, recorder: Recorder, writer: RecordingWriter) -> None:
    index = writer.index
    calls = [entry for entry in index.calls if not entry.rejected]
    size_mb = path.stat().st_size / _MEGABYTE
    whole = f"{len(calls)} calls, {recorder.ended} of them whole"
    lines = [f"{path}: {whole}, {recorder.messages} messages, {size_mb:.1f} MB"]
    if recorder.withheld_tenants:
        names = ", ".join(sorted(recorder.withheld_tenants))
        lines.append(
            f"Audio and words left out, for recording is not allowed (recording_allowed) by: {names}"
        )
    if index.late:
        lines.append(f"{index.late} calls began before the recording and are not in it.")
    if index.lost:
        lines.append(f"{index.lost} messages were lost: this machine is too slow to record that much.")
    for line in lines:
        console.print(line, soft_wrap=True)
