"""How a supervisor knows that a process is up: by asking it, over the loopback interface."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Protocol

_ANSWER_WITHIN_S = 2.0


class ReadyCheck(Protocol):
    """One question to a process that was started."""

    async def passes(self) -> bool:
        """Whether it is ready now; False when it does not answer."""
        ...


@dataclass(frozen=True, slots=True)
class HttpOk:
    """`GET path` answers with a status of 200."""

    port: int
    path: str = "/readyz"

    async def passes(self) -> bool:
        """Ask once."""
        request = f"GET {self.path} HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n"
        status = await _first_line(self.port, request.encode())
        return status.split(b" ", 2)[1:2] == [b"200"]


@dataclass(frozen=True, slots=True)
class NatsGreets:
    """A nats-server says INFO to whoever connects."""

    port: int

    async def passes(self) -> bool:
        """Connect once."""
        return (await _first_line(self.port, b"")).startswith(b"INFO ")


async def _first_line(port: int, request: bytes) -> bytes:
    """What a server on `port` says first, after `request`; empty when it does not answer."""
    try:
        async with asyncio.timeout(_ANSWER_WITHIN_S):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                writer.write(request)
                return await reader.readline()
            finally:
                writer.close()
    except (OSError, TimeoutError, ValueError):  # ValueError: a line longer than a reader holds
        return b""
