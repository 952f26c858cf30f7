"""Ctrl-C as a request to end in order: the first one cancels, the next one says that there is no time."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Coroutine
from typing import Any, Final

import uvloop

INTERRUPTED: Final = 130
_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupts:
    """What to do on a second signal, while the first one is being obeyed."""

    def __init__(self) -> None:
        self.hurry: Callable[[], None] = lambda: None


def run_interruptible(main: Callable[[Interrupts], Coroutine[Any, Any, int]]) -> int:
    """Run `main` on a fresh loop; its exit status, or 130 when a signal cancelled it."""
    return uvloop.run(_run(main))


async def _run(main: Callable[[Interrupts], Coroutine[Any, Any, int]]) -> int:
    loop = asyncio.get_running_loop()
    interrupts = Interrupts()
    work = asyncio.ensure_future(main(interrupts))

    def on_signal() -> None:
        if work.cancelling():
            interrupts.hurry()
        else:
            work.cancel()

    for number in _SIGNALS:
        loop.add_signal_handler(number, on_signal)
    try:
        return await work
    except asyncio.CancelledError:
        return INTERRUPTED
