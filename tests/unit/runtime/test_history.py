"""A call's record is read whole, in order, and without a word of any other call."""

from __future__ import annotations

import random
from typing import Any

import pytest

import runtime.history
from contracts.examples.practice import CALL
from contracts.identities import CallRef, uuid7
from contracts.messages import DtmfReceived, Event, SpeechDismissed
from runtime.bus import Bus
from runtime.errors import BusUnavailable
from runtime.history import read_history, read_on
from runtime.settings import ProcessSettings
from tests.support.context import service_context
from trunkline.nats_server import NatsServer

OTHER = CallRef(CALL.tenant, uuid7(1, random.Random(8)))


async def settled(bus: Bus) -> Bus:
    assert await bus.settle(5)
    return bus


async def test_a_call_of_which_nothing_was_said_has_no_history(nats_url: str) -> None:
    async with service_context(ProcessSettings(nats_url=nats_url), "llm") as context:
        assert await read_history(context.bus, CALL) == ()


@pytest.mark.parametrize("batch", [1, 4, 9, 1000])
async def test_it_is_whole_and_in_order_however_many_batches_it_takes(
    nats_url: str, batch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtime.history, "_BATCH", batch)
    async with service_context(ProcessSettings(nats_url=nats_url), "llm") as context:
        said = []
        for number in range(9):
            said.append(await context.bus.publish_event(CALL, DtmfReceived(digit_pii=str(number)), epoch=1))
            await context.bus.publish_event(OTHER, SpeechDismissed(turn=number, audio_ms=0))
        found = await read_history(await settled(context.bus), CALL)
        assert list(found) == said


async def test_what_cannot_be_read_is_left_out_and_logged(
    nats_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with service_context(ProcessSettings(nats_url=nats_url), "llm") as context:
        for name in ("of.tomorrow", "dtmf.received"):
            await context.bus.jetstream.publish(f"call.{CALL.tenant}.{CALL.call}.{name}", b"{}")
        said = await context.bus.publish_event(CALL, DtmfReceived(digit_pii="5"))
        assert await read_history(await settled(context.bus), CALL) == (said,)
    assert "of.tomorrow" in caplog.text
    assert "dtmf.received" in caplog.text


async def test_a_stream_that_does_not_answer_is_said_to_be_away(
    nats_server: NatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtime.history, "_TIMEOUT_S", 0.3)
    async with service_context(ProcessSettings(nats_url=nats_server.url), "llm") as context:
        nats_server.stop()
        with pytest.raises(BusUnavailable, match="cannot be read"):
            await read_history(context.bus, CALL)


async def test_without_a_stream_it_is_said_at_once(nats_url: str) -> None:
    async with service_context(ProcessSettings(nats_url=nats_url), "llm") as context:
        await context.bus.jetstream.delete_stream("CALLS")
        with pytest.raises(BusUnavailable, match="503"):
            await read_history(context.bus, CALL)


async def test_it_is_read_on_from_where_it_was_left(nats_url: str) -> None:
    async with service_context(ProcessSettings(nats_url=nats_url), "llm") as context:
        place = 1
        found: list[Event[Any]] = []
        for number in range(3):
            said = [
                await context.bus.publish_event(CALL, DtmfReceived(digit_pii=str(digit)))
                for digit in range(number)
            ]
            await context.bus.publish_event(OTHER, SpeechDismissed(turn=number, audio_ms=0))
            unread, place = await read_on(await settled(context.bus), CALL, place)
            assert list(unread) == said
            found += unread
        assert tuple(found) == await read_history(context.bus, CALL)
