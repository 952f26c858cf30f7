"""Who knocks at the wrong door, or in the wrong way, is told where the right one is."""

import asyncio
from collections.abc import AsyncIterator
from typing import Never

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from gateway_service.errors import Draining
from gateway_service.media.server import listen
from gateway_service.ports import MediaLeg
from gateway_service.settings import Settings


class ClosedDesk:
    """Takes nobody."""

    def connect(self, leg: MediaLeg) -> Never:
        raise Draining("closed", mend="come back")


@pytest.fixture
async def address() -> AsyncIterator[tuple[str, int]]:
    server = await listen(ClosedDesk(), Settings(gateway_port=0))
    host, port = server.sockets[0].getsockname()
    yield host, port
    server.close()


async def ask(address: tuple[str, int], request: bytes) -> str:
    reader, writer = await asyncio.open_connection(*address)
    writer.write(request)
    answer = await asyncio.wait_for(reader.read(), 20)
    writer.close()
    return answer.decode(errors="replace")


async def test_another_path_is_told_the_right_one(address: tuple[str, int]) -> None:
    host, port = address
    with pytest.raises(InvalidStatus) as caught:
        await connect(f"ws://{host}:{port}/media/other")
    assert caught.value.response.status_code == 404
    assert b"media streams are at /media/twilio" in caught.value.response.body


async def test_a_browser_is_told_to_speak_websocket(address: tuple[str, int]) -> None:
    answer = await ask(address, b"GET /media/twilio HTTP/1.1\r\nHost: gateway:8080\r\n\r\n")
    assert answer.startswith("HTTP/1.1 426 Upgrade Required")
    assert "Upgrade: websocket" in answer
    assert "connect to ws://gateway:8080/media/twilio" in answer


@pytest.mark.parametrize("request_line", [b"POST /media/twilio HTTP/1.1", b"junk"])
async def test_what_is_not_a_get_is_refused(address: tuple[str, int], request_line: bytes) -> None:
    answer = await ask(address, request_line + b"\r\nHost: x\r\n\r\n")
    assert answer.startswith("HTTP/1.1 400 Bad Request")


@pytest.mark.parametrize("path", ["/media/twilio", "/media/twilio?region=1"])
async def test_a_leg_that_the_desk_refuses_hears_why(address: tuple[str, int], path: str) -> None:
    host, port = address
    async with connect(f"ws://{host}:{port}{path}") as socket:
        await socket.wait_closed()
    assert socket.close_code == 1012
    assert (socket.close_reason or "").startswith("We are sorry, all lines are busy")


async def test_a_proxy_that_keeps_alive_is_let_in(address: tuple[str, int]) -> None:
    request = (
        b"GET /media/twilio HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    answer = await ask(address, request)
    assert answer.startswith("HTTP/1.1 101 Switching Protocols")
