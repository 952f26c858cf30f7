"""How far something is: one line that stays in place on a terminal, and a new one now and then elsewhere."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import TracebackType
from typing import Final

from rich.console import Console
from rich.live import Live
from rich.text import Text

from runtime.tasks import TaskOwner

_ON_A_TERMINAL_EVERY_S: Final = 0.5
_ELSEWHERE_EVERY_S: Final = 10.0


class Progress:
    """Shows what `tell` says, for the time of an `async with` block."""

    def __init__(self, console: Console, tell: Callable[[], str]) -> None:
        self._console = console
        self._tell = tell
        self._live = Live(console=console, transient=True, auto_refresh=False, redirect_stderr=False)
        self._tasks = TaskOwner("progress")

    async def _show(self) -> None:
        terminal = self._console.is_terminal
        while True:
            await asyncio.sleep(_ON_A_TERMINAL_EVERY_S if terminal else _ELSEWHERE_EVERY_S)
            if terminal:
                text = Text(self._tell(), style="dim")
                text.truncate(self._console.width, overflow="ellipsis")
                self._live.update(text, refresh=True)
            else:
                self._console.print(self._tell(), soft_wrap=True)

    async def __aenter__(self) -> Progress:
        if self._console.is_terminal:
            self._live.start()
        self._tasks.spawn(self._show(), "show")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._tasks.close()
        self._live.stop()
