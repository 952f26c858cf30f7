"""`trunkline load`: synthetic callers by the hundred, and a report of what they heard and what it cost."""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import Annotated, Final

import typer

from runtime.clock import SystemClock
from trunkline.admittance import Admit, admittance
from trunkline.commands.options import HOME, ApiKey, Home, RestUrl, writable_folder_of
from trunkline.errors import BadOption, NotRunning
from trunkline.interrupts import run_interruptible
from trunkline.load.page import page
from trunkline.load.plan import (
    LONGEST_S,
    MOST_CALLS,
    Arrival,
    LoadPlan,
    parse_number,
    require_loopback,
)
from trunkline.load.report import CALLERS, LoadReport
from trunkline.load.run import LoadRun
from trunkline.load.script import FIXED_PATTERN, Script, parse_pattern, script_of_files
from trunkline.load.thresholds import Threshold, parse_threshold
from trunkline.load.view import LoadView, judge, show_report
from trunkline.state import read_state
from trunkline.view import plain_console

_SYNTHETIC_NUMBER: Final = "+15550199"
_SPARE_FILES: Final = 100


def load(
    files: Annotated[
        list[Path] | None, typer.Argument(help="WAV files to say, in turn; else the pattern.")
    ] = None,
    *,
    calls: Annotated[int, typer.Option("--calls", min=1, max=MOST_CALLS, help="How many calls in all.")] = 10,
    to: Annotated[
        list[str] | None,
        typer.Option("--to", help="A number to call; several with weights: +15550199=3. Default: synthetic."),
    ] = None,
    arrival: Annotated[
        Arrival, typer.Option("--arrival", help="All at once, evenly, or ever faster.")
    ] = Arrival.CONSTANT,
    over: Annotated[
        float, typer.Option("--over", min=0, max=LONGEST_S, help="Seconds within which calls arrive.")
    ] = 5.0,
    talk: Annotated[
        float, typer.Option("--talk", min=1, max=LONGEST_S, help="Seconds that each caller talks.")
    ] = 40.0,
    pattern: Annotated[
        str, typer.Option("--pattern", help="Seconds of noise and silence, repeated.")
    ] = FIXED_PATTERN,
    pause: Annotated[
        float, typer.Option("--pause", min=0.1, max=60, help="Seconds of silence after each WAV file.")
    ] = 4.0,
    together: Annotated[
        bool, typer.Option("--together", help="Nobody talks before all calls are up.")
    ] = False,
    at_once: Annotated[
        bool, typer.Option("--at-once", help="Talk into the greeting instead of waiting for its end.")
    ] = False,
    require: Annotated[
        list[str] | None,
        typer.Option("--require", help="What must be reached, such as p95<=650; exit status 1 if it is not."),
    ] = None,
    out: Annotated[
        Path, typer.Option("--out", help="The report; a page of the same name lies beside it.")
    ] = Path("out/load.json"),
    url: Annotated[
        str, typer.Option("--url", help="A gateway's media stream; default: the platform of this home.")
    ] = "",
    allow_remote: Annotated[
        bool, typer.Option("--allow-remote", help="Load a gateway on another machine.")
    ] = False,
    api_key: ApiKey = "",
    rest_url: RestUrl = "",
    home: Home = HOME,
) -> None:
    """Place synthetic calls, watch the platform, and write one report as JSON and as a page."""
    thresholds = [parse_threshold(text) for text in require or []]
    media_url, pids = _where(home, url)
    own = home if len(pids) > 1 else None
    admit = admittance(api_key=api_key, rest_url=rest_url, home=own, clock=SystemClock())
    if not allow_remote:
        require_loopback(media_url)
    _require_files(calls)
    plan = LoadPlan(
        url=media_url,
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
    raise typer.Exit(run_interruptible(lambda _: _run(plan, pids, admit, thresholds, out)))


def _where(home: Path, url: str) -> tuple[str, dict[str, int]]:
    """The media stream, and the processes behind it where it is the one of the platform in `home`."""
    own = {CALLERS: os.getpid()}
    try:
        state = read_state(home)
    except NotRunning:
        if not url:
            raise
        return url, own
    if url not in ("", state.media_url):
        return url, own
    return state.media_url, {**{one.name: one.pid for one in state.processes}, **own}


def _script(files: list[Path], pattern: str, pause_s: float) -> Script:
    return script_of_files(files, pause_s) if files else parse_pattern(pattern)


def _require_files(calls: int) -> None:
    """Allow this process a socket for each call; raises BadOption where the system does not."""
    import resource  # noqa: PLC0415 - not on Windows, where there is no such limit

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = calls + _SPARE_FILES
    if hard != resource.RLIM_INFINITY and wanted > hard:
        raise BadOption(
            f"{calls} calls need {wanted} open files, {hard} are allowed", mend="raise ulimit -Hn"
        )
    if wanted > soft:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


async def _run(
    plan: LoadPlan, pids: dict[str, int], admit: Admit, thresholds: list[Threshold], out: Path
) -> int:
    console = plain_console()
    console.print(
        f"{plan.calls} calls to {plan.url}: {plan.script.name}, {plan.talk_s:g} s each", soft_wrap=True
    )
    with LoadView(console) as view:
        run = LoadRun(plan, SystemClock(), random.Random(), pids=pids, admit=admit, progress=view.add)
        report = await run.run()
    leave(report, thresholds, out)
    show_report(console, report)
    console.print(f"The report: {out} and {out.with_suffix('.html')}", soft_wrap=True)
    return 0 if judge(console, thresholds, report) else 1


def leave(report: LoadReport, thresholds: list[Threshold], out: Path) -> None:
    """Write the report as JSON and as a page."""
    out.write_text(report.model_dump_json() + "\n", encoding="utf-8")
    out.with_suffix(".html").write_text(page(report, thresholds), encoding="utf-8")
