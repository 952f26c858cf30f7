"""On virtual time: what a replayed caller says, presses and waits for, and what is said of it."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from audio.g711 import encode_mulaw
from contracts.messages import EndReason
from tests.support.clock import ManualClock
from tests.unit.trunkline.fake_wire import FakeWire, fake_call
from tests.unit.trunkline.replaying.samples import recorded_call
from trunkline.recording.calls import RecordedCall
from trunkline.replaying.legs import Fate, Leg, replay_leg

TONE = encode_mulaw((np.sin(np.arange(160) / 3) * 8_000).astype(np.int16))


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


def begin(recorded: RecordedCall, clock: ManualClock) -> tuple[asyncio.Task[Leg], FakeWire]:
    caller, wire = fake_call(clock)
    return asyncio.ensure_future(replay_leg(recorded, caller, clock, linger_s=5)), wire


async def test_the_audio_leaves_from_the_first_frame_on_and_keys_at_their_time(clock: ManualClock) -> None:
    recorded = recorded_call(frames=10, keys=((0.06, "1"), (0.13, "#")), heard_out=False)
    leg, wire = begin(recorded, clock)
    await clock.advance(1)
    assert await leg == Leg(Fate.DONE, "", 0.0)
    assert b"".join(wire.payloads()[:10]) == recorded.audio.mulaw
    assert wire.times_of("dtmf") == pytest.approx([0.06, 0.13])
    assert [message["dtmf"]["digit"] for message in wire.of("dtmf")] == ["1", "#"]
    assert wire.times_of("stop") == pytest.approx([0.18], abs=0.03)


async def test_a_reply_that_was_heard_to_its_end_is_so_again(clock: ManualClock) -> None:
    leg, wire = begin(recorded_call(frames=10), clock)
    await clock.advance(0.1)
    for _ in range(50):
        wire.say_media(TONE)
    await clock.advance(1.5)
    assert not leg.done()
    await clock.advance(1)
    assert (await leg).fate is Fate.DONE
    assert wire.times_of("stop")[0] == pytest.approx(2.0, abs=0.05)  # 0.1 s, 1 s of sound, 0.9 s of quiet


async def test_an_agent_that_never_falls_silent_is_not_waited_for_forever(clock: ManualClock) -> None:
    leg, wire = begin(recorded_call(frames=10), clock)
    await clock.advance(0.1)
    for _ in range(1000):
        wire.say_media(TONE)
    await clock.advance(6)
    assert (await leg).fate is Fate.DONE


async def test_the_agent_hangs_up_as_it_did_then(clock: ManualClock) -> None:
    leg, wire = begin(recorded_call(frames=10, end=EndReason.AGENT_HUNG_UP), clock)
    await clock.advance(2)
    assert not leg.done()
    wire.say_closed(1000, "")
    await clock.advance(0.1)
    assert (await leg).fate is Fate.DONE


async def test_a_connection_that_is_lost_is_no_hanging_up(clock: ManualClock) -> None:
    leg, wire = begin(recorded_call(frames=10, end=EndReason.AGENT_HUNG_UP), clock)
    await clock.advance(2)
    wire.say_closed(1006, "")
    await clock.advance(0.1)
    assert (await leg).fate is Fate.FAILED


@pytest.mark.parametrize(("code", "fate"), [(4404, Fate.REFUSED), (1006, Fate.FAILED)])
async def test_a_call_that_is_refused_or_lost_is_said_to_be(
    clock: ManualClock, code: int, fate: Fate
) -> None:
    leg, wire = begin(recorded_call(frames=50), clock)
    await clock.advance(0.1)
    wire.say_closed(code, "no such number")
    await clock.advance(0.1)
    over = await leg
    assert over.fate is fate
    assert over.detail
