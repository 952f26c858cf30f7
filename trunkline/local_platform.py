"""The whole platform on this machine, from a claim on its home to the last process gone.

`trunkline up`, the demo, end-to-end tests and benches all start it here.
"""

from __future__ import annotations

import asyncio
import os
import re
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import Final

from router_service.routing import resolve
from router_service.stores.yaml_file import YamlFile
from trunkline.composition import LLM_URL_VARIABLE, Placed, Plan, Ports, compose, drain_s
from trunkline.control import Control
from trunkline.errors import BadOption
from trunkline.ports import LOOPBACK, free_ports, require_free
from trunkline.state import RunningPlatform, RunningProcess, claimed, last_state, write_state
from trunkline.supervisor import Happening, Patience, Report, Reporter, Supervisor
from trunkline.voices import VOICES, with_voice
from trunkline.workers import require_workers, seats

EXAMPLES: Final = Path(__file__).resolve().parent.parent / "examples"
TENANTS: Final = EXAMPLES / "tenants.yaml"
_OPEN_LOOPBACK: Final = {"TRUNKLINE_GATEWAY_OPEN_LOOPBACK": "true"}
_ORPHANS_LEAVE_WITHIN_S: Final = 10.0
_BETWEEN_RESTARTS_S: Final = 1.5  # more than a heartbeat, so that the session has heard of it


@dataclass(frozen=True, slots=True)
class Options:
    """What a user may choose. A port of 0 is any free one; an empty voice is what the tenants file says.

    `workers` is how many processes run a service, where that is not one; several gateways listen on
    successive ports from `port` on. `rest`: REST runs as well. `open_loopback`: callers of this machine need
    no media token.
    """

    home: Path
    tenants: Path = TENANTS
    port: int = 8080
    nats_port: int = 0
    voice: str = ""
    spread: bool = False
    workers: Mapping[str, int] = field(default_factory=dict)
    local_llm: bool = True
    open_loopback: bool = False
    rest: bool = False
    rest_port: int = 0


class LocalPlatform:
    """A platform from the beginning of an `async with` block to its end, when everything is gone again.

    Entering raises AlreadyRunning, BadOption, ProgramMissing, StartFailed or DirectoryUnreadable, and then
    leaves nothing running. `faults` are numbers that cannot be called, and why.
    """

    def __init__(self, options: Options, report: Reporter = lambda _: None) -> None:
        self.faults: tuple[str, ...] = ()
        self._options = options
        self._home = options.home.absolute()
        self._report = report
        self._closing = AsyncExitStack()
        self._supervisor: Supervisor | None = None
        self._state: RunningPlatform | None = None

    @property
    def state(self) -> RunningPlatform:
        """Where the running platform can be reached."""
        assert self._state is not None, "the platform is not up"
        return self._state

    def pids(self) -> dict[str, int]:
        """The process id of everything that runs now, by name."""
        return self._running.pids

    async def restart(self, name: str) -> float:
        """Let one process give its calls away and end, and start it again; how many milliseconds that took.

        Raises BadOption for a name that there is not and StartFailed where it does not come up.
        """
        return await self._running.restart(name)

    async def rolling(self, names: Sequence[str] = ()) -> AsyncIterator[tuple[str, float]]:
        """Restart processes one after the other, each ready before the next goes: its name and milliseconds.

        A service's name stands for all its processes; no name for every process that runs services.
        """
        for index, name in enumerate(self._processes_of(names)):
            await asyncio.sleep(_BETWEEN_RESTARTS_S if index else 0)
            yield name, await self.restart(name)

    def _processes_of(self, names: Sequence[str]) -> list[str]:
        """Raises BadOption for a name that is neither a process nor a service of several processes."""
        services = [one.name for one in self.state.processes if one.health_port is not None]
        known = [*services, *(one.name for one in self.state.processes if one.health_port is None)]
        found: list[str] = []
        for name in names:
            meant = [one for one in known if one == name or re.fullmatch(rf"{re.escape(name)}-\d+", one)]
            if not meant:
                raise BadOption(f"there is no process {name!r}", mend=f"use any of {' '.join(known)}")
            found += meant
        return list(dict.fromkeys(found)) if names else services

    @property
    def _running(self) -> Supervisor:
        assert self._supervisor is not None, "the platform is not up"
        return self._supervisor

    def hurry(self) -> None:
        """Somebody cannot wait for the orderly end: kill what still runs."""
        if self._supervisor is not None:
            self._supervisor.hurry()

    async def __aenter__(self) -> LocalPlatform:
        self.faults = _check_tenants(self._options.tenants)
        async with AsyncExitStack() as undo:
            undo.enter_context(claimed(self._home))
            await _orphans_gone(self._home)
            placed, plan = self._place()
            self._supervisor = Supervisor(
                [one.spec for one in placed],
                self._home / "logs",
                report=self._reported,
                patience=Patience(drain_s=drain_s(plan.environment)),
            )
            await undo.enter_async_context(self._supervisor)
            control = await undo.enter_async_context(Control(self.rolling))
            self._state = _describe(plan, placed, self._supervisor.pids, control)
            write_state(self._home, self._state)
            self._closing = undo.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._closing.aclose()

    def _place(self) -> tuple[tuple[Placed, ...], Plan]:
        options = self._options
        workers = require_workers(options.workers)
        ports = _ports(options, len(seats(workers, spread=options.spread, rest=options.rest)))
        tenants = options.tenants.absolute()
        if options.voice:
            tenants = with_voice(tenants, _known_voice(options.voice), self._home)
        plan = Plan(
            home=self._home,
            tenants=tenants,
            ports=ports,
            environment={**os.environ, **(_OPEN_LOOPBACK if options.open_loopback else {})},
            voice=options.voice,
            spread=options.spread,
            workers=workers,
            rest=options.rest,
            local_llm=options.local_llm and LLM_URL_VARIABLE not in os.environ,
        )
        return compose(plan), plan

    def _reported(self, report: Report) -> None:
        self._report(report)
        if report.happened is Happening.RESTARTED and self._state and self._supervisor:
            pids = self._supervisor.pids
            processes = tuple(
                one.model_copy(update={"pid": pids.get(one.name, one.pid)}) for one in self._state.processes
            )
            self._state = self._state.model_copy(update={"processes": processes})
            write_state(self._home, self._state)


def _check_tenants(path: Path) -> tuple[str, ...]:
    if not path.is_file():
        raise BadOption(f"there is no tenants file {path}", mend="name one with --tenants")
    _, faults = resolve(YamlFile(path).read())
    return tuple(str(fault) for fault in faults)


def _known_voice(voice: str) -> str:
    if voice not in VOICES:
        raise BadOption(f"there is no voice {voice!r}", mend=f"use --voice {' or --voice '.join(VOICES)}")
    return voice


def _ports(options: Options, processes: int) -> Ports:
    gateways = options.workers.get("gateway", 1)
    nats, monitor, local_llm, rest, *free = free_ports(4 + gateways + processes)
    media = tuple(free[:gateways])
    if options.port:
        media = tuple(range(options.port, options.port + gateways))
        for port in media:
            require_free(port, "--port", os.environ.get("TRUNKLINE_GATEWAY_HOST", LOOPBACK))
    if options.nats_port:
        require_free(options.nats_port, "--nats-port")
    if options.rest and options.rest_port:
        require_free(options.rest_port, "--rest-port", os.environ.get("TRUNKLINE_REST_HOST", LOOPBACK))
    return Ports(
        gateways=media,
        nats=options.nats_port or nats,
        nats_monitor=monitor,
        local_llm=local_llm,
        rest=options.rest_port or rest,
        health=tuple(free[gateways:]),
    )


def _describe(
    plan: Plan, placed: tuple[Placed, ...], pids: dict[str, int], control: Control
) -> RunningPlatform:
    return RunningPlatform(
        version=version("trunkline"),
        pid=os.getpid(),
        started_us=time.time_ns() // 1000,
        nats_url=plan.ports.nats_url,
        nats_monitor_url=plan.ports.nats_monitor_url,
        nats_user=plan.users.operator.name,
        nats_password=plan.users.operator.password,
        replay_user=plan.users.replayer.name,
        replay_password=plan.users.replayer.password,
        media_url=plan.ports.media_urls[0],
        media_urls=plan.ports.media_urls,
        rest_url=plan.ports.rest_url if plan.rest else "",
        control_port=control.port,
        control_secret=control.secret,
        tenants=plan.tenants,
        processes=tuple(
            RunningProcess(name=one.spec.name, pid=pids[one.spec.name], health_port=one.health_port)
            for one in placed
            if one.spec.name in pids
        ),
    )


async def _orphans_gone(home: Path) -> None:
    """Wait for the processes of a platform that was killed: they notice, and two servers must not share data.

    A process id that belongs to somebody else by now only costs the wait.
    """
    last = last_state(home)
    deadline_s = time.monotonic() + _ORPHANS_LEAVE_WITHIN_S
    while last and any(_lives(one.pid) for one in last.processes):
        if time.monotonic() > deadline_s:
            break
        await asyncio.sleep(0.1)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
