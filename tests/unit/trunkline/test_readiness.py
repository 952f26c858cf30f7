from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from trunkline.nats_server import NatsServer
from trunkline.ports import free_ports
from trunkline.readiness import HttpOk, NatsGreets


@asynccontextmanager
async def answering(reply: bytes) -> AsyncIterator[int]:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(reply)
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]


@pytest.mark.parametrize(
    ("reply", "ready"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n", True),
        (b"HTTP/1.1 503 Service Unavailable\r\n\r\n", False),
        (b"HTTP/1.1 404 Not 200\r\n\r\n", False),
        (b"", False),
        (b"\x00" * 200_000, False),
    ],
)
async def test_only_a_200_is_ready(reply: bytes, ready: bool) -> None:
    async with answering(reply) as port:
        assert await HttpOk(port).passes() is ready


async def test_nobody_there_is_not_ready() -> None:
    (port,) = free_ports(1)
    assert not await HttpOk(port).passes()
    assert not await NatsGreets(port).passes()


async def test_a_nats_server_greets(nats_server: NatsServer) -> None:
    assert await NatsGreets(nats_server.port).passes()
    assert not await NatsGreets(nats_server.monitor_port).passes()
