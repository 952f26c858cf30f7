"""A call's record is read whole, in order, and without a word of any other call."""

from __future__ import annotations

import random
from typing import Any

import pytest

import runtime.history
from contracts.examples.practice import CALL
from contracts.identities import CallRef, uuid7
from contracts.messages import (
    CallReassigned,
    DtmfReceived,
    Event,
    Replaced,
    Role,
    SpeechDismissed,
)
from contracts.wire import decode_event, event_name
from runtime.bus import Bus
from runtime.errors import BusUnavailable
from runtime.history import Record, read_end
from runtime.settings import ProcessSettings
from tests.support.context import service_context
from tests.support.records import STARTED, never_enough, whole_record_of
from trunkline.nats_server import NatsServer

OTHER = CallRef(CALL.tenant, uuid7(1, random.Random(8)))


async def settled(bus: Bus) -> Bus:
    assert await bus.settle(5)
    return bus


async def test_a_call_of_which_nothing_was_said_has_no_history(nats_url: str) -> None:
    async with service_context(ProcessSettings(nats_url=nats_url), "llm") as context:
        assert await whole_record_of(context.bus, CALL) == ()


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
        found = await whole_record_of(await settled(context.bus), CALL)
        assert list(found) == said


async def test_what_cannot_be_read_is_left_out_and_logged(
    nats_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with service_context(ProcessSettings(nats_url=nats_url), "llm") as context:
        for name in ("of.tomorrow", "dtmf.received"):
            await context.bus.jetstream.publish(f"call.{CALL.tenant}.{CALL.call}.{name}", b"{}")
        said = await context.bus.publish_event(CALL, DtmfReceived(digit_pii="5"))
        assert await whole_record_of(await settled(context.bus), CALL) == (said,)
    assert "of.tomorrow" in caplog.text
    assert "dtmf.received" in caplog.text


async def test_a_stream_that_does_not_answer_is_said_to_be_away(
    nats_server: NatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtime.history, "_TIMEOUT_S", 0.3)
    async with service_context(ProcessSettings(nats_url=nats_server.url), "llm") as context:
        nats_server.stop()
        with pytest.raises(BusUnavailable, match="cannot be read"):
            await whole_record_of(context.bus, CALL)


async def test_without_a_stream_it_is_said_at_once(nats_url: str) -> None:
    async with service_context(ProcessSettings(nats_url=nats_url), "llm") as context:
        await context.bus.jetstream.delete_stream("CALLS")
        with pytest.raises(BusUnavailable, match="503"):
            await whole_record_of(context.bus, CALL)


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
            unread, place = await read_end(await settled(context.bus), CALL, never_enough, since=place)
            assert list(unread) == said
            found += unread
        assert tuple(found) == await whole_record_of(context.bus, CALL)


async def test_what_nobody_wants_is_left_out_before_it_is_decoded(
    nats_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with service_context(ProcessSettings(nats_url=nats_url), "llm") as context:
        said = await context.bus.publish_event(CALL, DtmfReceived(digit_pii="5"))
        await context.bus.publish_event(CALL, SpeechDismissed(turn=1, audio_ms=0))
        decoded = counting_decodes(monkeypatch)
        found, _ = await read_end(await settled(context.bus), CALL, lambda _: False, {"dtmf.received"})
    assert (found, decoded) == ((said,), ["dtmf.received"])


def counting_decodes(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the events that are decoded from a record from now on."""
    decoded: list[str] = []

    def decode(subject: str, data: bytes) -> Event[Any]:
        decoded.append(event_name(subject))
        return decode_event(subject, data)

    monkeypatch.setattr(runtime.history, "decode_event", decode)
    return decoded


async def long_record(bus: Bus, keys: int) -> tuple[Event[Any], ...]:
    """The record of a call with so many keys pressed, reassigned twice early and once at its end."""
    await bus.publish_event(CALL, STARTED)
    for epoch in (2, 3):
        await bus.publish_event(CALL, moved(epoch))
    for number in range(keys):
        await bus.publish_event(CALL, DtmfReceived(digit_pii=str(number % 10)))
        await bus.publish_event(OTHER, DtmfReceived(digit_pii="0"))
        if number % 100 == 99:
            await settled(bus)
    await bus.publish_event(CALL, moved(4))
    return await whole_record_of(await settled(bus), CALL)


def moved(epoch: int) -> CallReassigned:
    return CallReassigned(role=Role.LLM, process="llm-1", epoch=epoch, before="llm-0", why=Replaced.LOST)


@pytest.mark.parametrize("wanted", [1, 40, 41, 120])
async def test_the_end_of_a_record_is_as_long_as_is_enough_and_whole_in_itself(
    nats_url: str, wanted: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtime.history, "_FIRST_LOOK", 20)
    shown: list[Record] = []

    def enough(record: Record) -> bool:
        shown.append(record)
        return len(record) >= wanted + 3

    async with service_context(ProcessSettings(nats_url=nats_url), "llm") as context:
        whole = await long_record(context.bus, keys=500)
        decoded = counting_decodes(monkeypatch)
        found, place = await read_end(context.bus, CALL, enough)
        assert found == shown[-1]
        assert found[:3] == whole[:3], "it shows who was believed when"
        assert found[3:] == whole[-len(found) + 3 :]
        assert wanted <= len(found) <= 4 * wanted + 24
        assert [len(record) for record in shown] == sorted({len(record) for record in shown})
        assert len(decoded) == len(found), "each is decoded once"
        assert await read_end(context.bus, CALL, never_enough, since=place) == ((), place)


async def test_where_nothing_is_enough_the_record_is_read_whole(nats_url: str) -> None:
    async with service_context(ProcessSettings(nats_url=nats_url), "llm") as context:
        whole = await long_record(context.bus, keys=300)
        found, place = await read_end(context.bus, CALL, never_enough)
        assert found == whole
        assert (await read_end(context.bus, CALL, never_enough, since=place))[0] == ()
        assert (await read_end(context.bus, OTHER, lambda _: True))[0] == await whole_record_of(
            context.bus, OTHER
        ), "a call without a beginning in the record"
        nobody = CallRef(CALL.tenant, uuid7(1, random.Random(9)))
        assert await read_end(context.bus, nobody, lambda _: True) == ((), 1)
