"""`trunkline replay`: place recorded calls again, as often as wanted, and compare what comes of them."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.console import Console

from contracts.identities import number_key
from runtime.clock import SystemClock
from trunkline.admittance import Admit, admittance, without_token
from trunkline.bus_client import open_bus, without_user
from trunkline.caller import Connect
from trunkline.commands.options import HOME, ApiKey, Home, Nats, RestUrl, writable_folder_of
from trunkline.errors import BadOption
from trunkline.interrupts import run_interruptible
from trunkline.media_socket import connect_media
from trunkline.open_files import require_files
from trunkline.progress import Progress
from trunkline.recording.calls import RecordedCall, replayable
from trunkline.recording.reader import open_recording
from trunkline.replaying.measured import measured
from trunkline.replaying.plan import Planned, plan_calls
from trunkline.replaying.replay import Replay, Target
from trunkline.replaying.report import Replayed, ReplayReport
from trunkline.reports.leaving import leave
from trunkline.reports.observing import Observer
from trunkline.reports.platform import Platform, of_this_machine
from trunkline.reports.thresholds import Threshold, parse_threshold
from trunkline.reports.view import judge, show_report
from trunkline.state import read_state
from trunkline.view import plain_console

_BUS_SCHEMES: Final = ("nats://", "tls://")


@dataclass(frozen=True, slots=True)
class _Where:
    """Where calls go, as it may be shown; the bus on which their record is read; for calls straight onto the
    bus, the one on which a gateway's part is played; and the processes behind it, where they are known.
    """

    shown: str
    nats_url: str
    gateway_bus: str = ""
    platform: Platform = field(default_factory=Platform)


@dataclass(frozen=True, slots=True)
class _Plan:
    file: Path
    calls: tuple[Planned, ...]
    left_out: Counter[str]
    speed: float
    target: Target
    where: _Where
    thresholds: list[Threshold]
    out: Path


def replay(
    file: Annotated[Path, typer.Argument(help="What trunkline record wrote.")],
    *,
    calls: Annotated[
        int, typer.Option("--calls", min=0, help="How many calls to place; 0: each recorded one once.")
    ] = 0,
    speed: Annotated[
        float,
        typer.Option(
            "--speed",
            min=0.01,
            help="Shortens the time between calls' beginnings; a call stays in real time.",
        ),
    ] = 1.0,
    spread: Annotated[
        float, typer.Option("--spread", min=0, help="Seconds over which copies of one call begin.")
    ] = 2.0,
    against: Annotated[
        str,
        typer.Option(
            "--against",
            help="A gateway's media stream, or with --onto-bus a bus; default: the platform of this home.",
        ),
    ] = "",
    onto_bus: Annotated[
        bool,
        typer.Option("--onto-bus", help="Play the gateway's part on the bus instead of calling a gateway."),
    ] = False,
    to: Annotated[str, typer.Option("--to", help="Call this number instead of the recorded ones.")] = "",
    min_match: Annotated[
        float, typer.Option("--min-match", min=0, max=1, help="Fail below this share of matching turns.")
    ] = 1.0,
    max_failed: Annotated[
        int, typer.Option("--max-failed", min=0, help="Fail above so many calls refused or broken off.")
    ] = 0,
    max_p95: Annotated[
        float, typer.Option("--max-p95-ms", min=0, help="Fail when answers take longer; 0: never.")
    ] = 0,
    require: Annotated[
        list[str] | None,
        typer.Option("--require", help="What must be reached besides, such as stt_decode_p95<=400."),
    ] = None,
    recover: Annotated[
        bool, typer.Option("--recover", help="Use what is whole in a recording without its end.")
    ] = False,
    out: Annotated[Path, typer.Option("--out", help="Where to leave the report.")] = Path("out/replay.json"),
    api_key: ApiKey = "",
    rest_url: RestUrl = "",
    nats: Nats = "",
    home: Home = HOME,
) -> None:
    """Place recorded calls again, with their callers' audio, and compare the transcripts and latencies.

    Exit status 1 when a threshold does not hold. The report holds what callers said.
    """
    recorded, left_out = _read(file, recover=recover)
    planned = plan_calls(recorded, calls or len(recorded), speed, spread)
    thresholds = [
        Threshold("matched", ">=", min_match),
        Threshold("broken", "<=", max_failed),
        *([Threshold("p95", "<=", max_p95)] if max_p95 else []),
        *(parse_threshold(text) for text in require or []),
    ]
    where = _onto(home, against, nats) if onto_bus else _into(home, against, nats)
    admit: Admit = without_token
    if not onto_bus:
        own = None if against else home
        admit = admittance(api_key=api_key, rest_url=rest_url, home=own, clock=SystemClock())
        require_files(len(planned))
    target = Target(where.shown, f"+{number_key(to)}" if to else "", admit)
    out = writable_folder_of(out, "--out")
    plan = _Plan(file, planned, left_out, speed, target, where, thresholds, out)
    raise typer.Exit(run_interruptible(lambda _: _run(plan)))


def _read(file: Path, *, recover: bool) -> tuple[list[RecordedCall], Counter[str]]:
    with open_recording(file, recover=recover) as recording:
        recorded, left_out = replayable(recording)
    if not recorded:
        why = "; ".join(f"{count}: {reason}" for reason, count in left_out.items()) or "it holds none"
        raise BadOption(f"{file} has no call to replay ({why})", mend="record whole calls, with audio")
    return recorded, left_out


def _into(home: Path, against: str, nats: str) -> _Where:
    """A gateway's media stream and its bus: what was asked for, or those of the platform in `home`."""
    if against.startswith(_BUS_SCHEMES):
        raise BadOption(f"{without_user(against)} is a bus", mend="say --onto-bus, too")
    if against and nats:
        return _Where(against, nats)
    if against:
        raise BadOption(
            f"transcripts come from the bus of {against}, which is not named", mend="name it with --nats"
        )
    state = read_state(home)
    return _Where(state.media_url, nats or state.bus_url, platform=of_this_machine(state))


def _onto(home: Path, against: str, nats: str) -> _Where:
    """The bus to speak on as a gateway, and, where that takes another user, the one to read the record on."""
    if against and not against.startswith(_BUS_SCHEMES):
        raise BadOption(
            f"{against} is no bus", mend="name one such as nats://127.0.0.1:4222, or leave it out"
        )
    if against:
        return _Where(without_user(against), nats or against, against)
    state = read_state(home)
    platform = of_this_machine(state)
    return _Where(state.nats_url, nats or state.bus_url, state.replay_bus_url, platform)


async def _run(plan: _Plan) -> int:
    console, clock = plain_console(), SystemClock()
    async with open_bus(plan.where.nats_url) as bus, _way(plan) as connect:
        observer = Observer(bus)
        await observer.start()
        target = replace(plan.target, connect=connect)
        running = Replay(plan.calls, target, observer, clock, random.Random())
        console.print(_announced(plan), soft_wrap=True)
        async with Progress(console, lambda: _told(running, len(plan.calls))):
            report = await measured(running, observer, _facts(plan), plan.where.platform, clock)
    beside = leave(report, plan.thresholds, plan.out)
    _show(console, report)
    console.print(f"The report: {plan.out} and {beside}", soft_wrap=True)
    return 0 if judge(console, plan.thresholds, report) else 1


@asynccontextmanager
async def _way(plan: _Plan) -> AsyncIterator[Connect]:
    """The way from a caller to the platform."""
    if not plan.where.gateway_bus:
        yield connect_media
        return
    # Who calls a gateway does without the gateway's extra.
    from trunkline.replaying.gateway_part import gateway_part  # noqa: PLC0415 - see above

    async with gateway_part(
        plan.where.gateway_bus, len(plan.calls), SystemClock(), random.Random()
    ) as connect:
        yield connect


def _facts(plan: _Plan) -> dict[str, Any]:
    return {
        "recording": str(plan.file),
        "against": plan.target.url,
        "onto_bus": bool(plan.where.gateway_bus),
        "to": plan.target.called or None,
        "speed": plan.speed,
        "recorded_calls_left_out": dict(plan.left_out),
    }


def _announced(plan: _Plan) -> str:
    left_out = "".join(f" Left out {count}: {reason}." for reason, count in plan.left_out.items())
    paced = "" if plan.speed == 1 else f" They begin {plan.speed:g} times as fast; audio stays in real time."
    return f"Placing {len(plan.calls)} calls at {plan.target.url}.{paced}{left_out}"


def _told(running: Replay, planned: int) -> str:
    done: list[Replayed] = running.results
    matched, turns = sum(call.matched for call in done), sum(len(call.pairs) for call in done)
    bad = sum(not call.ok for call in done)
    return (
        f"{running.under_way} calls under way, {len(done)} of {planned} over, "
        f"{matched} of {turns} turns match, {bad} refused or broken off"
    )


def _show(console: Console, report: ReplayReport) -> None:
    show_report(console, report)
    for turn in report.differences():
        console.print(f"  {turn.where}: was {turn.then}, is {turn.now}", soft_wrap=True)
