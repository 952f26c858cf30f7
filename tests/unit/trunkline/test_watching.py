"""On a real nats-server: a call is found by its carrier's id and its record read from the beginning."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from typing import Any

import pytest

from contracts.channels import DTMF_RECEIVED, SESSION_ACTIVE
from contracts.identities import CallRef, uuid7
from contracts.messages import (
    ActiveCall,
    ActiveCalls,
    AssistantSnapshot,
    DtmfReceived,
    Event,
    ListActiveCalls,
    PartialTranscript,
    Role,
)
from runtime.bus import Bus
from runtime.settings import ProcessSettings
from tests.support.context import service_context
from tests.support.waiting import eventually
from trunkline.bus_client import open_bus
from trunkline.watching import find_call, watch_call

REF = CallRef("acme", uuid7(1_767_225_600_000, random.Random(1)))


def active(carrier_call_id: str) -> ActiveCall:
    return ActiveCall(
        call=REF.call,
        tenant=REF.tenant,
        number="+15550100",
        caller="+15550123",
        carrier_call_id=carrier_call_id,
        started_us=1,
        epoch=1,
        gateway="gateway-1",
        workers={Role.STT: "stt-1"},
        assistant=AssistantSnapshot(id="a", name="A", greeting="Hi.", prompt=""),
    )


@pytest.fixture
async def platform(nats_url: str) -> AsyncIterator[Bus]:
    async with service_context(ProcessSettings(nats_url=nats_url), "gateway") as context:
        yield context.bus


async def test_a_call_is_found_once_the_session_knows_it(platform: Bus, nats_url: str) -> None:
    answers = [
        ActiveCalls(),
        ActiveCalls(calls=(active("CA-other"),)),
        ActiveCalls(calls=(active("CA-mine"),)),
    ]

    async def answer(_: ListActiveCalls) -> ActiveCalls:
        return answers.pop(0)

    await platform.respond(SESSION_ACTIVE.subject(), ListActiveCalls, ActiveCalls, answer)
    async with open_bus(nats_url) as bus:
        assert await asyncio.wait_for(find_call(bus, "CA-mine"), 20) == REF


async def test_a_session_that_is_away_is_asked_again(platform: Bus, nats_url: str) -> None:
    async with open_bus(nats_url) as bus:
        finding = asyncio.ensure_future(find_call(bus, "CA-mine"))
        await asyncio.wait([finding], timeout=0.3)
        assert not finding.done()

        async def answer(_: ListActiveCalls) -> ActiveCalls:
            return ActiveCalls(calls=(active("CA-mine"),))

        await platform.respond(SESSION_ACTIVE.subject(), ListActiveCalls, ActiveCalls, answer)
        assert await asyncio.wait_for(finding, 20) == REF


async def test_what_happened_before_and_after_is_told_in_order_and_once(platform: Bus, nats_url: str) -> None:
    for digit in "12":
        await platform.publish_event(REF, DtmfReceived(digit_pii=digit))
    assert await platform.settle(5)
    other = CallRef("acme", uuid7(1_767_225_600_001, random.Random(2)))
    await platform.publish_event(other, DtmfReceived(digit_pii="9"))
    seen: list[Event[Any]] = []
    async with open_bus(nats_url) as bus:
        await watch_call(bus, REF, seen.append)
        await eventually(lambda: len(seen) == 2, "the record so far")
        await platform.publish_event(REF, PartialTranscript(turn=1, text_pii="when"))
        await platform.client.publish(DTMF_RECEIVED.subject(**REF._asdict()), b"junk")
        await platform.publish_event(REF, DtmfReceived(digit_pii="3"))
        await eventually(lambda: len(seen) == 4, "what is new")
    recorded = [event.body.digit_pii for event in seen if isinstance(event.body, DtmfReceived)]
    assert recorded == ["1", "2", "3"]
    assert [event.body.text_pii for event in seen if isinstance(event.body, PartialTranscript)] == ["when"]
