"""Hearing subjects one message after the other, without a task for each message or an idle one for each call.

Messages come straight from the parser (`runtime.wire_speed`), which lets those pass by that nobody wants, and
wait here for the one before them to be handled. Only while some wait is there a task.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from typing import Final

from nats.aio.subscription import Subscription

from runtime.connection import Connection, leave
from runtime.tasks import TaskOwner

Receive = Callable[[str, bytes], Awaitable[None]]
"""Handles subject and payload of a message; must not raise."""

Act = Callable[[], None]

_MOST_WAITING: Final = 65_536


class Listening:
    """One listener and the subjects that it hears, in the order in which the server sends them."""

    def __init__(
        self, client: Connection, receive: Receive, tasks: TaskOwner, names: frozenset[str] | None = None
    ) -> None:
        """With `names`, only events with one of them; other messages cost hardly anything."""
        self._client = client
        self._receive = receive
        self._tasks = tasks
        self._names = frozenset(name.encode() for name in names) if names is not None else None
        self._waiting: deque[tuple[bytes, bytes] | Act] = deque()
        self._handling: asyncio.Task[None] | None = None
        self._subscriptions: list[Subscription] = []

    async def begin(self, subjects: Iterable[str]) -> None:
        """Hear these subjects from now on."""
        for subject in subjects:
            self._subscriptions.append(await self._client.subscribe_directly(subject, self._hear))

    async def unsubscribe(self) -> None:
        """Hear no more, not even what has come already; what is being handled goes on."""
        self._waiting.clear()
        leaving, self._subscriptions = self._subscriptions, []
        await leave(*leaving)
        self._waiting.clear()
        self._receive = _nobody  # who listened mostly holds this too: without the cycle all of it is free now

    def behind(self, act: Act) -> None:
        """Do it once all is handled that has come so far: at once, where nothing waits. It must not raise.

        For what comes by another way and must not overtake the messages that came before it.
        """
        if self._handling is None:
            act()
        else:
            self._waiting.append(act)

    def _hear(self, subject: bytes, data: bytes) -> None:
        if self._names is not None and subject.split(b".", 3)[-1] not in self._names:
            return
        if len(self._waiting) >= _MOST_WAITING:
            self._client.dropped(subject.decode())
            return
        self._waiting.append((subject, data))
        if self._handling is None:
            self._handling = self._tasks.spawn(self._handle(), "listening")

    async def _handle(self) -> None:
        try:
            while self._waiting:
                next_one = self._waiting.popleft()
                if isinstance(next_one, tuple):
                    subject, data = next_one
                    await self._receive(subject.decode(), data)
                else:
                    next_one()
        finally:
            self._handling = None


async def _nobody(_subject: str, _data: bytes) -> None:
    """Who receives once the listening is over."""
