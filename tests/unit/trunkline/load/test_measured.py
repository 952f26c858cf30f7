"""What the record adds to a load run that is over, from a real stream."""

from __future__ import annotations

import random
from dataclasses import dataclass

import pytest

from contracts.identities import CallRef, uuid7
from contracts.messages import (
    CallEnded,
    CallStarted,
    EndReason,
    LegEnded,
    Message,
    PlayoutStarted,
    ReplySentence,
    TurnEnded,
)
from runtime.bus import Bus
from runtime.settings import ProcessSettings
from tests.support.context import service_context
from tests.unit.trunkline.load.reports import call, report
from trunkline.load.measured import with_record

SPOKE_US = 2_000_000
STARTED = CallStarted(
    called="+15550199",
    caller="+15550123",
    carrier_call_id="CA1",
    protocol="twilio",
    gateway="gateway-1",
    assistant="a",
    language="en-US",
)
TURN = TurnEnded(
    turn=1,
    text_pii="when",
    language="en-US",
    confidence=1,
    speech_started_us=SPOKE_US - 500_000,
    speech_ended_us=SPOKE_US,
    decided_us=SPOKE_US + 300_000,
    audio_ms=500,
    decode_ms=40,
    engine="synthetic",
)
STORY: tuple[Message, ...] = (
    STARTED,
    TURN,
    ReplySentence(reply=1, turn=1, index=0, text_pii="Now.", engine="faq"),
    PlayoutStarted(reply=1, first_frame_us=SPOKE_US + 420_000),
    LegEnded(reason=EndReason.CALLER_HUNG_UP, frames_in=100, frames_out=50, frames_dropped=4),
    CallEnded(reason=EndReason.CALLER_HUNG_UP, started_us=1, ended_us=2, duration_ms=1),
)


@dataclass
class Teller:
    """Says what happened in calls, as the services would."""

    bus: Bus

    async def tell(self, number: int, carrier_call_id: str) -> None:
        ref = CallRef("acme", uuid7(1_767_225_600_000 + number, random.Random(number)))
        for body in STORY:
            one = body.model_copy(update={"carrier_call_id": carrier_call_id}) if body is STARTED else body
            await self.bus.publish_event(ref, one)
        assert await self.bus.settle(5)


async def test_stages_and_drops_of_our_own_calls_and_of_no_others(nats_url: str) -> None:
    async with service_context(ProcessSettings(nats_url=nats_url), "gateway") as context:
        teller, began_us = Teller(context.bus), context.clock.now_us()
        await teller.tell(1, "CA1")
        await teller.tell(2, "somebody else's")
        ours = call(420).model_copy(update={"carrier_call_id": "CA1"})
        refused = call(ending="refused_4486").model_copy(update={"carrier_call_id": "CA3", "frames_heard": 0})
        found = await with_record(report(ours, refused), context.bus, began_us)
    assert found.stages_ms is not None
    assert found.stages_ms["endpoint"] == (300.0,)
    assert found.stages_ms["stt_decode"] == (40.0,)
    assert found.stages_ms["voice_to_voice"] == (420.0,)
    assert found.leg_drops is not None
    (leg,) = found.leg_drops
    assert leg.frames == 4
    assert 0 <= leg.at_s < 60
    figures = found.figures()
    assert (figures["dropped"], figures["voice_to_voice_p95"]) == (4, 420)
    assert figures["p50"] == pytest.approx(420), "by the caller's ear, as before"
