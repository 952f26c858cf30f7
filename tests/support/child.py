"""A child process whose log a test can wait for."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

_ROOT = Path(__file__).parents[2]


class Child:
    """A running Python program; `log` is all that it has written to standard error so far."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.log = ""
        self._process = process
        self._more = asyncio.Condition()
        self._ended = False
        self._reading = asyncio.create_task(self._read())

    @property
    def pid(self) -> int:
        return self._process.pid

    def send(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    async def says(self, pattern: str, timeout_s: float = 60.0) -> re.Match[str]:
        """The first match of `pattern` in its log, waited for."""
        try:
            async with asyncio.timeout(timeout_s), self._more:
                while (found := re.search(pattern, self.log)) is None:
                    assert not self._ended, f"it ended without saying {pattern!r}:\n{self.log}"
                    await self._more.wait()
                return found
        except TimeoutError:
            raise AssertionError(f"not said within {timeout_s:g} s: {pattern!r}:\n{self.log}") from None

    async def exits(self, timeout_s: float = 15.0) -> int:
        """Its exit status, once every process that writes to its log is gone."""
        async with asyncio.timeout(timeout_s):
            await asyncio.shield(self._reading)
            return await self._process.wait()

    async def silenced(self, timeout_s: float = 15.0) -> None:
        """Return once nobody can write to its log any more: it and its own children are gone."""
        async with asyncio.timeout(timeout_s):
            await asyncio.shield(self._reading)

    async def _read(self) -> None:
        assert self._process.stderr is not None
        while piece := await self._process.stderr.read(4096):
            async with self._more:
                self.log += piece.decode(errors="replace")
                self._more.notify_all()
        async with self._more:
            self._ended = True
            self._more.notify_all()

    async def end(self) -> None:
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()
        self._reading.cancel()
        await asyncio.wait({self._reading})


@asynccontextmanager
async def child(*arguments: str, env: Mapping[str, str] | None = None) -> AsyncIterator[Child]:
    """Run `python ARGUMENTS` with no setting of ours but those in `env`; killed at the end."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("TRUNKLINE_")}
    running = Child(
        await asyncio.create_subprocess_exec(
            sys.executable,
            *arguments,
            cwd=_ROOT,
            env={**clean, **(env or {})},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
    )
    try:
        yield running
    finally:
        await running.end()
