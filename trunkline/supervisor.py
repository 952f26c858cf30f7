"""Processes that live and die together: started in the order of their needs, restarted when one dies,
stopped without leaving anything behind. Knows nothing of telephony; what runs is in the specs it is given.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Final

from runtime.tasks import TaskOwner
from trunkline.errors import BadOption, StartFailed
from trunkline.readiness import ReadyCheck

_POLL_S: Final = 0.05
_TAIL_BYTES: Final = 4_000
_TAIL_LINES: Final = 12
_LOG_LIMIT_BYTES: Final = 8 << 20
_TETHER: Final = Path(__file__).with_name("tether.py")


@dataclass(frozen=True, slots=True)
class ProcessSpec:
    """One process: what to run, with which environment, and how to know that it is up.

    `env` is its whole environment. `needs` names the processes that are up before this one starts and are
    stopped only after it; `stops_before` those that start with it and are stopped after it all the same.
    `tethered` is for a program that does not itself watch for the end of its parent. `niceness` is by how
    much it gives way to the others where processors are short.
    """

    name: str
    argv: tuple[str, ...]
    ready: ReadyCheck
    env: Mapping[str, str]
    needs: tuple[str, ...] = ()
    stops_before: tuple[str, ...] = ()
    tethered: bool = False
    niceness: int = 0


class Happening(StrEnum):
    """What can be said of a process."""

    READY = "ready"
    DIED = "died"
    LEAVING = "leaving"
    RESTARTED = "restarted"
    KILLED = "killed"


@dataclass(frozen=True, slots=True)
class Report:
    """Something happened to a process. `ms` is the time it took to be ready, where it became that."""

    name: str
    happened: Happening
    ms: float = 0.0
    detail: str = ""


Reporter = Callable[[Report], None]


@dataclass(frozen=True, slots=True)
class Patience:
    """How long the supervisor waits: for readiness, between restarts, and for a process to leave.

    One that is to leave is asked, and after `finish_s` (when all stop) or `drain_s` (when it alone is started
    anew) told to drop what it has in hand; `stop_s` later it is killed.
    """

    start_s: float = 90.0
    backoff_s: float = 0.5
    backoff_limit_s: float = 15.0
    settled_after_s: float = 30.0
    finish_s: float = 2.0
    drain_s: float = 20.0
    stop_s: float = 10.0

    def before_restart_s(self, deaths: int) -> float:
        """The wait before the restart that follows the `deaths`-th death in a row."""
        return min(self.backoff_s * 2.0 ** min(deaths - 1, 16), self.backoff_limit_s)


class Supervisor:
    """Runs processes from `start` to `stop`; an async context manager around the two."""

    def __init__(
        self,
        specs: Sequence[ProcessSpec],
        logs: Path,
        *,
        report: Reporter = lambda _: None,
        patience: Patience = Patience(),
    ) -> None:
        self._children = {spec.name: _Child(spec, logs / f"{spec.name}.log") for spec in specs}
        self._logs = logs
        self._report = report
        self._patience = patience
        self._keepers = TaskOwner("supervisor")
        self._kept: dict[str, asyncio.Task[None]] = {}
        self._one_at_a_time = asyncio.Lock()
        self._hurry = asyncio.Event()
        self._stopping = False

    @property
    def pids(self) -> dict[str, int]:
        """The process id of everything that runs now."""
        return {name: child.pid for name, child in self._children.items() if child.pid is not None}

    async def start(self) -> None:
        """Return when everything is ready; raises StartFailed, with all taken down again, if one is not."""
        self._logs.mkdir(parents=True, exist_ok=True)
        up = {name: asyncio.Event() for name in self._children}
        try:
            async with asyncio.TaskGroup() as group:
                for child in self._children.values():
                    group.create_task(self._bring_up(child, up))
        except* StartFailed as failures:
            await self.stop()
            raise failures.exceptions[0] from None
        for child in self._children.values():
            self._begin_keeping(child)

    async def stop(self) -> None:
        """Stop everything, once a restart is done: who needs others first, each politely and then not."""
        async with self._one_at_a_time:
            self._stopping = True
            await self._keepers.close()
            await self._stop_all()

    async def _stop_all(self) -> None:
        running = {name for name, child in self._children.items() if child.pid is not None}
        while running:
            specs = [self._children[name].spec for name in running]
            leaving = running - {later for spec in specs for later in (*spec.needs, *spec.stops_before)}
            await asyncio.gather(
                *(self._stop_one(self._children[name], self._patience.finish_s) for name in leaving)
            )
            running -= leaving

    async def restart(self, name: str) -> float:
        """End one process in order and start it again, no two at a time; the milliseconds until it was ready.

        Raises BadOption for a name that there is not, and StartFailed where it does not come up; then it is
        tried again like one that died.
        """
        child = self._children.get(name)
        if child is None:
            raise BadOption(f"there is no process {name!r}", mend=f"use any of {' '.join(self._children)}")
        async with self._one_at_a_time:
            if self._stopping:
                raise StartFailed(f"{name} is not started anew: everything stops", mend="start the platform")
            await self._stop_keeping(child)
            try:
                self._report(Report(name, Happening.LEAVING))
                await self._stop_one(child, self._patience.drain_s)
                ms = await child.come_up(self._patience.start_s)
            except StartFailed:
                await child.leave(None, 0.0, self._hurry)
                raise
            finally:
                self._begin_keeping(child)
            self._report(Report(name, Happening.RESTARTED, ms))
            return ms

    def hurry(self) -> None:
        """Do not wait for anybody any more: what still runs is killed."""
        self._hurry.set()

    async def _bring_up(self, child: _Child, up: dict[str, asyncio.Event]) -> None:
        for need in child.spec.needs:
            await up[need].wait()
        ms = await child.come_up(self._patience.start_s)
        up[child.spec.name].set()
        self._report(Report(child.spec.name, Happening.READY, ms))

    def _begin_keeping(self, child: _Child) -> None:
        self._kept[child.spec.name] = self._keepers.spawn(self._keep(child), child.spec.name)

    async def _stop_keeping(self, child: _Child) -> None:
        keeper = self._kept.pop(child.spec.name)
        keeper.cancel()
        await asyncio.wait({keeper})

    async def _keep(self, child: _Child) -> None:
        deaths = 0
        while True:
            ready_s = time.monotonic()
            status = await child.exited()
            settled = time.monotonic() - ready_s > self._patience.settled_after_s
            deaths = 1 if settled else deaths + 1
            detail = f"{_in_words(status)}; its log: {child.log}"
            self._report(Report(child.spec.name, Happening.DIED, detail=detail))
            ms = await self._revive(child, deaths)
            self._report(Report(child.spec.name, Happening.RESTARTED, ms))

    async def _revive(self, child: _Child, deaths: int) -> float:
        while True:
            await asyncio.sleep(self._patience.before_restart_s(deaths))
            try:
                return await child.come_up(self._patience.start_s)
            except StartFailed as error:
                deaths += 1
                await child.leave(None, 0.0, self._hurry)
                self._report(Report(child.spec.name, Happening.DIED, detail=str(error)))

    async def _stop_one(self, child: _Child, finish_s: float) -> None:
        if not await child.leave(finish_s, self._patience.stop_s, self._hurry):
            detail = f"it did not leave within {finish_s + self._patience.stop_s:g} s"
            self._report(Report(child.spec.name, Happening.KILLED, detail=detail))

    async def __aenter__(self) -> Supervisor:
        try:
            await self.start()
        except BaseException:
            await self.stop()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()


class _Child:
    """One process of a spec, and its log."""

    def __init__(self, spec: ProcessSpec, log: Path) -> None:
        self.spec = spec
        self.log = log
        self._process: asyncio.subprocess.Process | None = None
        self._log_from = 0

    @property
    def pid(self) -> int | None:
        running = self._process is not None and self._process.returncode is None
        return self._process.pid if self._process and running else None

    async def come_up(self, within_s: float) -> float:
        """Start, and return when ready, with the milliseconds it took; raises StartFailed."""
        started_s = time.monotonic()
        await self._launch()
        while not await self.spec.ready.passes():
            if self.pid is None:
                self._sweep()
                raise StartFailed(
                    f"{self.spec.name} did not start: {self._last_words()}", mend=f"its log: {self.log}"
                )
            if time.monotonic() - started_s > within_s:
                raise StartFailed(
                    f"{self.spec.name} was not ready within {within_s:g} s: {self._last_words()}",
                    mend=f"its log: {self.log}",
                )
            await asyncio.sleep(_POLL_S)
        return (time.monotonic() - started_s) * 1000

    async def _launch(self) -> None:
        tether = (sys.executable, "-IS", str(_TETHER)) if self.spec.tethered else ()
        if self.log.exists() and self.log.stat().st_size > _LOG_LIMIT_BYTES:
            self.log.replace(self.log.with_suffix(".log.1"))
        with self.log.open("ab") as log:
            self._log_from = log.tell()
            # A session of its own: Ctrl-C on the terminal reaches the supervisor alone, which then drains.
            try:
                self._process = await asyncio.create_subprocess_exec(
                    *tether,
                    *self.spec.argv,
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    env=self.spec.env,
                    start_new_session=True,
                )
            except OSError as error:
                raise StartFailed(
                    f"{self.spec.name} cannot be run: {error}", mend=f"see to {self.spec.argv[0]}"
                ) from error
        if self.spec.niceness:
            with suppress(ProcessLookupError):  # whether it still runs is seen elsewhere
                ours = os.getpriority(os.PRIO_PROCESS, 0)
                os.setpriority(os.PRIO_PROCESS, self._process.pid, ours + self.spec.niceness)

    async def exited(self) -> int:
        """The exit status, once it has one; negative for a signal."""
        assert self._process is not None
        status = await self._process.wait()
        self._sweep()
        return status

    async def leave(self, finish_s: float | None, stop_s: float, hurry: asyncio.Event) -> bool:
        """Ask it to end; after `finish_s` tell it to end at once; `stop_s` later kill it and all it started.

        In a hurry, or with no `finish_s`, kill it straight away. False when it had to be killed.
        """
        if self._process is None or self.pid is None:
            return True
        for within_s in () if finish_s is None else (finish_s, stop_s):
            if self._process.returncode is None and not hurry.is_set():
                self._process.send_signal(signal.SIGTERM)
                await self._exit_or(hurry, within_s)
        polite = self.pid is None
        self._sweep()
        await self._process.wait()
        return polite

    def _sweep(self) -> None:
        """Kill what is left of its session; to be called no later than its end is noticed."""
        assert self._process is not None
        with suppress(ProcessLookupError, PermissionError):  # nobody is left; macOS says it in the second way
            os.killpg(self._process.pid, signal.SIGKILL)

    async def _exit_or(self, hurry: asyncio.Event, within_s: float) -> None:
        assert self._process is not None
        waits = [asyncio.ensure_future(self._process.wait()), asyncio.ensure_future(hurry.wait())]
        try:
            await asyncio.wait(waits, timeout=within_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    def _last_words(self) -> str:
        """What this start wrote last: its own `error:` line where there is one, else the last lines."""
        with self.log.open("rb") as log:
            log.seek(max(self._log_from, self.log.stat().st_size - _TAIL_BYTES))
            lines = log.read().decode(errors="replace").strip().splitlines()
        errors = [line for line in lines if line.startswith("error: ")]
        if errors:
            return errors[-1].removeprefix("error: ")
        return "\n  ".join(["", *lines[-_TAIL_LINES:]]) if lines else "it said nothing"


def _in_words(status: int) -> str:
    if status >= 0:
        return f"exit status {status}"
    try:
        return f"killed by {signal.Signals(-status).name}"
    except ValueError:
        return f"killed by signal {-status}"
