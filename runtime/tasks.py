"""Every task has an owner who cancels it, and no task fails in silence."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Coroutine
from typing import Any, Final, TypeVar

log = logging.getLogger(__name__)

ResultT = TypeVar("ResultT")

_TOLD_AGAIN_S: Final = 2.0


async def heeding(work: Awaitable[ResultT]) -> ResultT:
    """What `work` returns; a cancellation that came meanwhile, and that it swallowed, still ends the task.

    `asyncio.wait_for` swallows one before Python 3.12, where what it waits for is there already, and nats-py
    waits with it. Whoever then goes on in a loop never ends, nor does the owner who waits for his end.
    """
    task = asyncio.current_task()
    assert task is not None
    before = task.cancelling()
    try:
        return await work
    finally:
        if task.cancelling() > before:
            raise asyncio.CancelledError


async def ended(tasks: Collection[asyncio.Task[Any]]) -> None:
    """Cancel these tasks and return once each is over; whoever swallowed that is told again."""
    while left := {task for task in tasks if not task.done()}:
        for task in left:
            task.cancel()
        await asyncio.wait(left, timeout=_TOLD_AGAIN_S)


class TaskOwner:
    """Owns background tasks: keeps them alive, reports the one that fails, cancels all at the end."""

    def __init__(self, name: str, on_failure: Callable[[BaseException], None] | None = None) -> None:
        self._name = name
        self._on_failure = on_failure
        self._tasks: set[asyncio.Task[Any]] = set()

    def __len__(self) -> int:
        return len(self._tasks)

    def spawn(self, work: Coroutine[Any, Any, Any], name: str) -> asyncio.Task[Any]:
        """Run `work` until it returns, fails or the owner closes."""
        task = asyncio.get_running_loop().create_task(work, name=f"{self._name}:{name}")
        self._tasks.add(task)
        task.add_done_callback(self._finished)
        return task

    def _finished(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if task.cancelled():
            return
        error = task.exception()
        if error is not None:
            log.error("task %s failed: %s", task.get_name(), error, exc_info=error)
            if self._on_failure is not None:
                self._on_failure(error)

    async def close(self) -> None:
        """Cancel every task and wait until each is done, and those too that were begun meanwhile."""
        while tasks := self._tasks - {asyncio.current_task()}:
            await ended(tasks)
            await asyncio.sleep(0)  # what is over is struck off in the loop's next turn
