"""A caller of ours and a gateway's desk with nothing between them but the leg under test."""

from __future__ import annotations

from collections import deque
from typing import Any

import pytest
from pybase64 import b64decode

from contracts.messages import EndReason
from gateway_service.errors import GatewayFull, WrongFrameSize
from gateway_service.ports import DigitPressed, HungUp, LegOffered, MarkPlayed, MediaLeg, Signal
from trunkline.media_messages import StreamMessages
from trunkline.replaying.bus_leg import BusLeg

FRAME = b"\x11" * 160


class Loop:
    """What is to happen later, and when the test says so."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[Any, ...]] = deque()

    def later(self, call: Any, *arguments: Any) -> None:
        self._waiting.append((call, *arguments))

    def turn(self) -> None:
        while self._waiting:
            call, *arguments = self._waiting.popleft()
            call(*arguments)


class Ear:
    """The caller's end."""

    def __init__(self) -> None:
        self.heard: list[dict[str, Any]] = []
        self.closed: list[tuple[int, str]] = []

    def on_message(self, message: dict[str, Any]) -> None:
        self.heard.append(message)

    def on_closed(self, code: int, reason: str) -> None:
        self.closed.append((code, reason))


class Side:
    """A desk that takes every leg, and the call's end of it."""

    def __init__(self, refusal: GatewayFull | None = None) -> None:
        self.refusal = refusal
        self.audio: list[bytes] = []
        self.told: list[Signal] = []
        self.ends: list[EndReason] = []

    def connect(self, leg: MediaLeg) -> Side:
        if self.refusal is not None:
            raise self.refusal
        return self

    def hear(self, payload: bytes) -> None:
        self.audio.append(payload)

    def tell(self, signal: Signal) -> None:
        self.told.append(signal)

    def gone(self, reason: EndReason, detail: str) -> None:
        self.ends.append(reason)


@pytest.fixture
def loop() -> Loop:
    return Loop()


@pytest.fixture
def ear() -> Ear:
    return Ear()


@pytest.fixture
def side() -> Side:
    return Side()


@pytest.fixture
def leg(side: Side, ear: Ear, loop: Loop) -> BusLeg:
    return BusLeg(side, ear, loop.later)


def test_what_a_caller_says_is_heard_as_a_gateway_hears_it(leg: BusLeg, side: Side) -> None:
    messages = StreamMessages("MZ1", "CA1")
    for message in (
        messages.connected(),
        messages.start({"to": "+15550100", "from": "+15550123"}),
        messages.media(1, 0, FRAME),
        messages.mark("1.0.20"),
        messages.dtmf("5"),
        messages.stop(),
    ):
        leg.send(message)
    assert side.audio == [FRAME]
    offered = LegOffered("CA1", "+15550100", "+15550123", "twilio", local=True)
    assert side.told == [offered, MarkPlayed("1.0.20"), DigitPressed("5"), HungUp()]


def test_what_the_gateway_says_comes_later_and_in_order(leg: BusLeg, ear: Ear, loop: Loop) -> None:
    assert leg.send_audio(FRAME, "1.0.20")
    assert leg.send_audio(b"", "1.0.40")
    leg.clear()
    assert not ear.heard
    loop.turn()
    assert [message["event"] for message in ear.heard] == ["media", "mark", "mark", "clear"]
    assert b64decode(ear.heard[0]["media"]["payload"]) == FRAME
    assert [message["mark"]["name"] for message in ear.heard[1:3]] == ["1.0.20", "1.0.40"]


@pytest.mark.parametrize("ending", [(), (1012, "drained")], ids=["the caller", "the gateway"])
def test_whoever_ends_it_both_are_told_once(
    leg: BusLeg, side: Side, ear: Ear, loop: Loop, ending: tuple[Any, ...]
) -> None:
    leg.close(*ending)
    leg.close()
    leg.send(StreamMessages("MZ1", "CA1").stop())
    assert leg.send_audio(FRAME, None)
    loop.turn()
    assert side.ends == [EndReason.CALLER_HUNG_UP]
    assert ear.closed == [ending or (1005, "")]
    assert not side.told
    assert not ear.heard


def test_a_fault_in_a_message_is_the_calls_to_judge(leg: BusLeg, side: Side) -> None:
    leg.send(StreamMessages("MZ1", "CA1").media(1, 0, b"short"))
    assert [type(signal) for signal in side.told] == [WrongFrameSize]


def test_a_desk_that_is_full_is_a_socket_that_is_closed(ear: Ear, loop: Loop) -> None:
    refusal = GatewayFull("this gateway holds 1 of 1 calls", mend="try again later")
    leg = BusLeg(Side(refusal), ear, loop.later)
    leg.send(StreamMessages("MZ1", "CA1").media(1, 0, FRAME))
    loop.turn()
    assert ear.closed == [(refusal.close_code, refusal.reason)]
