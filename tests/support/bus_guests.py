"""Users of a guarded nats-server: those who belong there and those who try to be somebody else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager

from nats.aio.client import Client
from nats.aio.msg import Msg

from contracts.permissions import inbox_prefix
from runtime.connection import taken_in
from trunkline.bus_users import BusUser


class Guest:
    """A connection of one user, and what the server refused to it."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self._complaints: list[str] = []

    async def complain(self, error: Exception) -> None:
        self._complaints.append(str(error).lower())

    async def may(self, attempt: Awaitable[object]) -> bool:
        """Whether the server lets the attempt pass. What it refuses, it says before it answers a ping."""
        self._complaints.clear()
        await attempt
        await taken_in(self.client)
        strange = [text for text in self._complaints if "permissions violation" not in text]
        assert not strange, strange
        return not self._complaints

    async def may_publish(self, subject: str) -> bool:
        return await self.may(self.client.publish(subject, b"{}"))

    async def may_hear(self, subject: str) -> bool:
        return await self.may(self.client.subscribe(subject))

    async def listen(self, subject: str, queue_group: str = "") -> asyncio.Queue[Msg]:
        """What comes on a subject that this guest may hear."""
        heard: asyncio.Queue[Msg] = asyncio.Queue()

        async def keep(msg: Msg) -> None:
            heard.put_nowait(msg)

        assert await self.may(self.client.subscribe(subject, queue_group, cb=keep)), f"{subject} is refused"
        return heard


@asynccontextmanager
async def guest(url: str, user: BusUser) -> AsyncIterator[Guest]:
    """Connect as `user` with a client that knows nothing of our rules but the branch of its inbox."""
    client = Client()
    one = Guest(client)
    await client.connect(
        url,
        user=user.name,
        password=user.password,
        inbox_prefix=inbox_prefix(user.name),
        error_cb=one.complain,
        allow_reconnect=False,
    )
    try:
        yield one
    finally:
        await client.close()
