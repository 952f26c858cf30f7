"""`trunkline load`: synthetic callers by the hundred, and a report of what they heard and what it cost."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import typer

from runtime.clock import SystemClock
from trunkline.admittance import Admit, admittance
from trunkline.commands import load_options as on
from trunkline.commands.options import HOME, ApiKey, Home, Nats, RestUrl, writable_folder_of
from trunkline.errors import NotRunning
from trunkline.interrupts import run_interruptible
from trunkline.load.measured import measured
from trunkline.load.plan import (
    Arrival,
    LoadPlan,
    parse_number,
    require_loopback,
)
from trunkline.load.run import LoadRun
from trunkline.load.script import FIXED_PATTERN, Script, parse_pattern, script_of_files
from trunkline.load.view import LoadView
from trunkline.open_files import require_files
from trunkline.reports.leaving import leave
from trunkline.reports.platform import Platform, of_this_machine
from trunkline.reports.thresholds import Threshold, parse_threshold
from trunkline.reports.view import judge, show_report
from trunkline.state import read_state
from trunkline.view import plain_console

_SYNTHETIC_NUMBER: Final = "+15550199"


@dataclass(frozen=True, slots=True)
class _Target:
    """Where calls go; `home` and `nats_url` are the platform's, where it is one of this machine."""

    urls: tuple[str, ...]
    platform: Platform = field(default_factory=Platform)
    home: Path | None = None
    nats_url: str = ""


def load(
    files: on.Files = None,
    *,
    calls: on.Calls = 10,
    to: on.To = None,
    arrival: on.Curve = Arrival.CONSTANT,
    over: on.Over = 5.0,
    talk: on.Talk = 40.0,
    pattern: on.Pattern = FIXED_PATTERN,
    pause: on.Pause = 4.0,
    together: on.Together = False,
    at_once: on.AtOnce = False,
    require: on.Require = None,
    out: on.Out = Path("out/load.json"),
    url: on.Url = None,
    allow_remote: on.AllowRemote = False,
    api_key: ApiKey = "",
    rest_url: RestUrl = "",
    nats: Nats = "",
    home: Home = HOME,
) -> None:
    """Place synthetic calls, watch the platform, and write one report as JSON and as a page.

    What each stage took is read from the record of the calls once they are over, where their bus is known.
    """
    thresholds = [parse_threshold(text) for text in require or []]
    target = _target(home, tuple(url or ()), allow_remote=allow_remote)
    target = replace(target, nats_url=nats) if nats else target
    admit = admittance(api_key=api_key, rest_url=rest_url, home=target.home, clock=SystemClock())
    require_files(calls)
    plan = LoadPlan(
        url=target.urls[0],
        others=target.urls[1:],
        numbers=tuple(parse_number(text) for text in to or [_SYNTHETIC_NUMBER]),
        calls=calls,
        arrival=arrival,
        arrive_over_s=over,
        script=_script(files or [], pattern, pause),
        talk_s=talk,
        together=together,
        greeting=not at_once,
    )
    writable_folder_of(out, "--out")
    raise typer.Exit(run_interruptible(lambda _: _run(plan, target, admit, thresholds, out)))


def _target(home: Path, urls: tuple[str, ...], *, allow_remote: bool) -> _Target:
    """The media streams, and the processes behind them where they are those of the platform in `home`."""
    target = _found(home, urls)
    for url in () if allow_remote else target.urls:
        require_loopback(url)
    return target


def _found(home: Path, urls: tuple[str, ...]) -> _Target:
    try:
        state = read_state(home)
    except NotRunning:
        if not urls:
            raise
        return _Target(urls)
    gateways = state.media_urls or (state.media_url,)
    if not set(urls) <= set(gateways):
        return _Target(urls)
    return _Target(urls or gateways, of_this_machine(state), home, state.bus_url)


def _script(files: list[Path], pattern: str, pause_s: float) -> Script:
    return script_of_files(files, pause_s) if files else parse_pattern(pattern)


async def _run(plan: LoadPlan, target: _Target, admit: Admit, thresholds: list[Threshold], out: Path) -> int:
    console = plain_console()
    urls = " ".join((plan.url, *plan.others))
    console.print(f"{plan.calls} calls to {urls}: {plan.script.name}, {plan.talk_s:g} s each", soft_wrap=True)
    clock, pids = SystemClock(), target.platform.pids
    with LoadView(console) as view:
        run = LoadRun(plan, clock, random.Random(), pids=pids, admit=admit, progress=view.add)
        report = await measured(run, target.platform, target.nats_url, clock)
    beside = leave(report, thresholds, out)
    show_report(console, report)
    console.print(f"The report: {out} and {beside}", soft_wrap=True)
    return 0 if judge(console, thresholds, report) else 1
