"""`trunkline replay`: place recorded calls again, as often as wanted, and compare what comes of them."""

from __future__ import annotations

import json
import random
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from contracts.identities import number_key
from runtime.clock import SystemClock
from trunkline.admittance import admittance
from trunkline.bus_client import open_bus
from trunkline.commands.options import HOME, ApiKey, Home, Nats, RestUrl, writable_folder_of
from trunkline.errors import BadOption
from trunkline.interrupts import run_interruptible
from trunkline.inventory import installed_versions
from trunkline.machine import describe_machine
from trunkline.progress import Progress
from trunkline.recording.calls import RecordedCall, replayable
from trunkline.recording.reader import open_recording
from trunkline.replaying.observing import Observer
from trunkline.replaying.plan import Planned, plan_calls
from trunkline.replaying.replay import Replay, Target
from trunkline.replaying.report import Replayed, Thresholds, Verdict, judge, report
from trunkline.state import read_state
from trunkline.view import plain_console


@dataclass(frozen=True, slots=True)
class _Plan:
    file: Path
    calls: tuple[Planned, ...]
    left_out: Counter[str]
    speed: float
    target: Target
    nats_url: str
    thresholds: Thresholds
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
        str, typer.Option("--against", help="A gateway's media stream; default: the platform of this home.")
    ] = "",
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
    url, nats_url = _where(home, against, nats)
    thresholds = Thresholds(min_match, max_failed, max_p95 or None)
    own = None if against else home
    admit = admittance(api_key=api_key, rest_url=rest_url, home=own, clock=SystemClock())
    target = Target(url, f"+{number_key(to)}" if to else "", admit)
    out = writable_folder_of(out, "--out")
    plan = _Plan(file, planned, left_out, speed, target, nats_url, thresholds, out)
    raise typer.Exit(run_interruptible(lambda _: _run(plan)))


def _read(file: Path, *, recover: bool) -> tuple[list[RecordedCall], Counter[str]]:
    with open_recording(file, recover=recover) as recording:
        recorded, left_out = replayable(recording)
    if not recorded:
        why = "; ".join(f"{count}: {reason}" for reason, count in left_out.items()) or "it holds none"
        raise BadOption(f"{file} has no call to replay ({why})", mend="record whole calls, with audio")
    return recorded, left_out


def _where(home: Path, against: str, nats: str) -> tuple[str, str]:
    """The media stream and the bus of what was asked for, or of the platform in `home`."""
    if against and nats:
        return against, nats
    if against:
        raise BadOption(
            f"transcripts come from the bus of {against}, which is not named", mend="name it with --nats"
        )
    state = read_state(home)
    return state.media_url, nats or state.bus_url


async def _run(plan: _Plan) -> int:
    console = plain_console()
    before, began_s = describe_machine(), time.monotonic()
    async with open_bus(plan.nats_url) as bus:
        observer = Observer(bus)
        await observer.start()
        running = Replay(plan.calls, plan.target, observer, SystemClock(), random.Random())
        console.print(_announced(plan), soft_wrap=True)
        async with Progress(console, lambda: _told(running, len(plan.calls))):
            results = await running.run()
    verdicts = judge(results, plan.thresholds)
    content = report(results, verdicts, _facts(plan, before, time.monotonic() - began_s))
    plan.out.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    _show(console, plan.out, content, verdicts)
    return 0 if all(verdict.holds for verdict in verdicts) else 1


def _facts(plan: _Plan, machine: dict[str, Any], seconds: float) -> dict[str, Any]:
    return {
        "recording": str(plan.file),
        "against": plan.target.url,
        "to": plan.target.called or None,
        "speed": plan.speed,
        "recorded_calls_left_out": dict(plan.left_out),
        "seconds": round(seconds, 1),
        "machine": {**machine, "load_average_after": describe_machine()["load_average"]},
        "versions": installed_versions(),
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


def _show(console: Console, out: Path, content: dict[str, Any], verdicts: list[Verdict]) -> None:
    for stage, spreads in content["latency_ms"].items():
        console.print(
            f"  {stage:<20} {_spread(spreads['recorded'])} then, {_spread(spreads['replayed'])} now"
        )
    for call in content["calls"]:
        for turn in call["turns"]:
            if not turn["matched"]:
                console.print(f"  call {call['number']}: {_difference(turn)}", soft_wrap=True)
    for verdict in verdicts:
        mark, style = ("ok  ", "green") if verdict.holds else ("FAIL", "bold red")
        console.print(f"{mark} {verdict.what}: {verdict.found}", style=style, soft_wrap=True)
    console.print(f"The report: {out}", soft_wrap=True)


def _spread(spread: dict[str, float] | None) -> str:
    return "nothing" if spread is None else f"p50 {spread['p50']:.0f} p95 {spread['p95']:.0f} ms"


def _difference(turn: dict[str, Any]) -> str:
    then, now = turn["recorded"], turn["replayed"]
    if then is None or now is None:
        number = (then or now)["turn"]
        return f"turn {number} is {'missing' if now is None else 'new'}"
    return f"turn {then['turn']} was {_words(then)}, is {_words(now)}"


def _words(turn: dict[str, Any]) -> str:
    cut = ", interrupted" if turn["interrupted"] else ""
    return f"{turn['said_pii']!r} -> {' '.join(turn['answered_pii'])!r}{cut}"
