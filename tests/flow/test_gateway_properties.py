"""Property 9 of the design through the real gateway: sockets that speak Twilio Media Streams, and the bus.

One gateway serves all examples of a test; every example is a call of its own.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts.frames import Frame
from contracts.identities import CallRef
from contracts.messages import CallStarted, EndReason, LegEnded, Message
from tests.support.waiting import eventually
from tests.unit.gateway_service.agent_audio import whole_reply
from tests.unit.gateway_service.stand import Caller, Stand, gateway_stand, media

FRAMES = st.lists(st.binary(min_size=160, max_size=160), max_size=40)


class Ends(StrEnum):
    """Who ends the call, and how."""

    CALLER = "stop"
    SOCKET = "the socket closes"
    PLATFORM = "a command"


@dataclass(frozen=True, slots=True)
class Talk:
    """What the caller says, how many frames the agent answers with, and how it ends."""

    caller: list[bytes]
    agent_frames: int
    ends: Ends


TALKS = st.builds(Talk, FRAMES, st.integers(0, 4), st.sampled_from(Ends))
REASONS = {
    Ends.CALLER: EndReason.CALLER_HUNG_UP,
    Ends.SOCKET: EndReason.CALLER_HUNG_UP,
    Ends.PLATFORM: EndReason.COMMANDED,
}


@pytest.fixture
async def stand(nats_url: str) -> AsyncIterator[Stand]:
    async with gateway_stand(nats_url) as opened:
        yield opened


@pytest.mark.timeout(300)
@settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(talk=TALKS)
async def test_property_9_sip_connection_reliability(stand: Stand, talk: Talk) -> None:
    """Feature: ai-voice-agent, Property 9: SIP Connection Reliability: a carrier's call is connected, every
    frame of either side reaches the other unchanged and in order, and it ends once, with its socket closed.
    """
    async with Caller.at(stand.app.url) as caller:
        ref = await stand.call(caller)
        for payload in talk.caller:
            await caller.say(media(payload))
        answer = list(whole_reply(1, 20 * talk.agent_frames)) if talk.agent_frames else []
        await stand.speak(ref, answer)
        await eventually(lambda: len(heard(stand, ref)) == len(talk.caller), "all that the caller said")
        await eventually(lambda: len(caller.sound) == talk.agent_frames, "all that the agent said")
        assert [frame.payload for frame in heard(stand, ref)] == talk.caller
        numbers = [frame.sequence for frame in heard(stand, ref)]
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers))) if numbers else True
        assert caller.sound == [frame.payload for frame in answer if frame.payload]
        await end(stand, caller, ref, talk.ends)
        code, _ = await caller.closed()
        assert code == 1000
    await eventually(lambda: bodies(stand, ref, LegEnded), "the end")
    (ended,) = bodies(stand, ref, LegEnded)
    assert (ended.reason, ended.frames_in, ended.frames_dropped) == (REASONS[talk.ends], len(talk.caller), 0)
    assert len(bodies(stand, ref, CallStarted)) == 1
    await eventually(lambda: len(stand.app._desk) == 0, "nothing is held")


async def end(stand: Stand, caller: Caller, ref: CallRef, how: Ends) -> None:
    match how:
        case Ends.CALLER:
            await caller.say({"event": "stop", "streamSid": "MZ1", "stop": {"callSid": "CA1"}})
        case Ends.SOCKET:
            await caller.socket.close()
        case Ends.PLATFORM:
            await stand.hang_up(ref)


def heard(stand: Stand, ref: CallRef) -> list[Frame]:
    return stand.heard_by.get(ref.call, [])


BodyT = TypeVar("BodyT", bound=Message)


def bodies(stand: Stand, ref: CallRef, kind: type[BodyT]) -> list[BodyT]:
    return [event.body for event in stand.events if event.ref == ref and isinstance(event.body, kind)]
