"""Against another library's server, on a real socket."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from websockets.asyncio.server import ServerConnection, serve

from runtime.clock import SystemClock
from tests.support.waiting import eventually
from trunkline.caller import Caller, Dialling
from trunkline.errors import CallFailed, CallRefused
from trunkline.media_socket import connect_media
from trunkline.ports import free_ports


class Heard:
    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []
        self.closed: list[tuple[int, str]] = []

    def on_message(self, message: dict[str, Any]) -> None:
        self.messages.append(message)

    def on_closed(self, code: int, reason: str) -> None:
        self.closed.append((code, reason))


@asynccontextmanager
async def platform(handle: Callable[[ServerConnection], Awaitable[None]]) -> AsyncIterator[str]:
    async with serve(handle, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        yield f"ws://127.0.0.1:{port}/media/twilio"


async def test_messages_go_both_ways() -> None:
    async def echo(connection: ServerConnection) -> None:
        async for message in connection:
            await connection.send(message)

    heard = Heard()
    async with platform(echo) as url:
        socket = await connect_media(url, heard)
        socket.send(b'{"event":"mark","mark":{"name":"a"}}')
        await eventually(lambda: heard.messages, "the echo")
        assert heard.messages == [{"event": "mark", "mark": {"name": "a"}}]
        socket.close()
        await eventually(lambda: heard.closed, "the close")
        socket.send(b"{}")
        socket.close()
    assert len(heard.closed) == 1


async def test_the_close_code_and_its_reason_arrive() -> None:
    async def refuse(connection: ServerConnection) -> None:
        await connection.recv()
        await connection.close(4404, "nobody has the number")

    heard = Heard()
    async with platform(refuse) as url:
        socket = await connect_media(url, heard)
        socket.send(b"{}")
        await eventually(lambda: heard.closed, "the close")
    assert heard.closed == [(4404, "nobody has the number")]


async def test_a_connection_that_breaks_is_closed_abnormally() -> None:
    async def vanish(connection: ServerConnection) -> None:
        connection.transport.abort()

    heard = Heard()
    async with platform(vanish) as url:
        await connect_media(url, heard)
        await eventually(lambda: heard.closed, "the close")
    assert heard.closed == [(1006, "")]


async def test_nobody_there_says_how_to_start_somebody() -> None:
    (port,) = free_ports(1)
    with pytest.raises(CallFailed, match=r"nobody answers at ws://127.0.0.1.*trunkline up.*--url"):
        await connect_media(f"ws://127.0.0.1:{port}/media/twilio", Heard())


async def test_an_address_that_is_none_is_named() -> None:
    with pytest.raises(CallFailed, match=r"http://x is not a WebSocket address.*ws://"):
        await connect_media("http://x", Heard())


async def test_a_server_that_is_no_gateway_is_named() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(CallFailed, match=r"opened no media stream.*/media/twilio"):
            await connect_media(f"ws://127.0.0.1:{port}/", Heard())


async def test_a_caller_over_a_real_socket_is_refused_in_words() -> None:
    started: list[dict[str, Any]] = []

    async def refuse(connection: ServerConnection) -> None:
        async for message in connection:
            content = json.loads(message)
            if content["event"] == "start":
                started.append(content["start"]["customParameters"])
                await connection.close(4404, "nobody has the number '+1999'")

    async with platform(refuse) as url:
        with pytest.raises(CallRefused, match=r"4404: nobody has the number '\+1999'"):
            async with Caller(Dialling(url, "+1999", "+15550123", "CA1"), SystemClock()) as caller:
                await caller.until_answered(0, 0.5, 10)
    assert started == [{"to": "+1999", "from": "+15550123"}]
