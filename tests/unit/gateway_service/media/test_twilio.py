"""The leg itself on a real socket: a slow reader, and what happens when the caller says nothing back."""

import asyncio
import socket
from collections.abc import AsyncIterator
from typing import Never, Self

import orjson
import pytest
from websockets.asyncio.client import ClientConnection, connect

from contracts.messages import EndReason
from gateway_service.errors import GatewayError
from gateway_service.media.server import listen
from gateway_service.media.twilio import TwilioLeg
from gateway_service.ports import LegOffered, MediaLeg, Signal
from gateway_service.settings import Settings
from tests.support.waiting import eventually
from tests.unit.gateway_service.stand import SOUND, media, start


class OneCall:
    """A desk with room for one, and its caller side: keeps what the leg says."""

    leg: TwilioLeg

    def __init__(self) -> None:
        self.signals: list[Signal] = []
        self.sound: list[bytes] = []
        self.ends: list[tuple[EndReason, str]] = []

    def connect(self, leg: MediaLeg) -> Self:
        assert isinstance(leg, TwilioLeg)
        self.leg = leg
        return self

    def hear(self, payload: bytes) -> None:
        self.sound.append(payload)

    def tell(self, signal: Signal) -> None:
        self.signals.append(signal)

    def gone(self, reason: EndReason, detail: str) -> None:
        self.ends.append((reason, detail))


@pytest.fixture
def desk() -> OneCall:
    return OneCall()


@pytest.fixture
async def port(desk: OneCall) -> AsyncIterator[int]:
    server = await listen(desk, Settings(gateway_port=0, gateway_write_buffer_bytes=8192))
    yield server.sockets[0].getsockname()[1]
    server.close()


async def begin(caller: ClientConnection, desk: OneCall) -> None:
    await caller.send(orjson.dumps(start()), text=True)
    await eventually(lambda: desk.signals, "start")


async def test_the_start_and_the_sound_reach_the_call(desk: OneCall, port: int) -> None:
    async with connect(f"ws://127.0.0.1:{port}/media/twilio") as caller:
        await begin(caller, desk)
        await caller.send(orjson.dumps(media()), text=True)
        await eventually(lambda: desk.sound, "sound")
    assert desk.signals == [LegOffered("CA1", "+15550100", "+15550142", "twilio", local=True)]
    assert desk.sound == [SOUND]
    await eventually(lambda: desk.ends, "the end")
    assert desk.ends == [(EndReason.CALLER_HUNG_UP, "")]


async def test_a_caller_who_does_not_read_is_sent_no_more_than_the_buffers_hold(
    desk: OneCall, port: int
) -> None:
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32_768)
    raw.setblocking(False)
    await asyncio.get_running_loop().sock_connect(raw, ("127.0.0.1", port))
    async with connect(
        f"ws://127.0.0.1:{port}/media/twilio", sock=raw, max_queue=None, compression=None
    ) as caller:
        await begin(caller, desk)
        caller.transport.pause_reading()
        results = []
        for _ in range(5000):
            results.append(desk.leg.send_audio(SOUND, None))
            await asyncio.sleep(0)
        sent = results.count(True)
        assert 10 < sent < 1000  # of 5000, a megabyte
        assert desk.leg._transport is not None
        assert desk.leg._transport.underlying_transport.get_write_buffer_size() < 8192 + 1024
        caller.transport.resume_reading()
        for _ in range(sent):
            await caller.recv()
        await eventually(lambda: desk.leg.send_audio(SOUND, "1.0.20"), "room again")


async def test_a_caller_who_does_not_answer_a_close_is_cut_off(desk: OneCall, port: int) -> None:
    async with connect(f"ws://127.0.0.1:{port}/media/twilio") as caller:
        await begin(caller, desk)
        caller.transport.pause_reading()
        desk.leg.close(1000, "bye")
        desk.leg.close(1011, "twice")
        await eventually(lambda: desk.ends, "the end")
        caller.transport.resume_reading()
        await caller.wait_closed()
        assert (caller.close_code, caller.close_reason) in {(1000, "bye"), (1006, "")}


async def test_what_arrives_after_the_close_is_ignored(desk: OneCall, port: int) -> None:
    async with connect(f"ws://127.0.0.1:{port}/media/twilio") as caller:
        await begin(caller, desk)
        await caller.send("{broken")
        await eventually(lambda: len(desk.signals) == 2, "the fault")
        desk.leg.close(1007, "enough")
        await caller.send(orjson.dumps(media()), text=True)
        await caller.wait_closed()
    assert desk.sound == []
    assert len(desk.signals) == 2


async def test_a_leg_whose_caller_is_gone_takes_orders_quietly(desk: OneCall, port: int) -> None:
    async with connect(f"ws://127.0.0.1:{port}/media/twilio") as caller:
        await begin(caller, desk)
    await eventually(lambda: desk.ends, "the end")
    assert desk.leg.send_audio(SOUND, None) is False
    desk.leg.clear()
    desk.leg.close(1000, "")


async def test_a_fault_of_ours_is_told_to_the_call_as_such(
    desk: OneCall, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stumble(payload: bytes) -> Never:
        raise ZeroDivisionError

    monkeypatch.setattr(desk, "hear", stumble)
    async with connect(f"ws://127.0.0.1:{port}/media/twilio") as caller:
        await begin(caller, desk)
        await caller.send(orjson.dumps(media()), text=True)
        await eventually(lambda: len(desk.signals) == 2, "the fault")
    fault = desk.signals[1]
    assert isinstance(fault, GatewayError)
    assert fault.close_code == 1011
    assert fault.end_reason is EndReason.FAILED


@pytest.mark.parametrize(
    ("code", "reason"),
    [(1000, EndReason.CALLER_HUNG_UP), (1001, EndReason.CALLER_HUNG_UP), (4001, EndReason.CONNECTION_LOST)],
)
async def test_how_the_caller_closes_says_why(desk: OneCall, port: int, code: int, reason: EndReason) -> None:
    async with connect(f"ws://127.0.0.1:{port}/media/twilio") as caller:
        await begin(caller, desk)
        await caller.close(code)
    await eventually(lambda: desk.ends, "the end")
    assert desk.ends[0][0] is reason
