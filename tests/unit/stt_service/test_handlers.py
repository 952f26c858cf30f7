from __future__ import annotations

from typing import Any

import pytest

from contracts.errors import ErrorCode
from contracts.identities import CallRef
from contracts.messages import (
    Assign,
    AssistantSnapshot,
    EngineFailed,
    Event,
    Message,
    PartialTranscript,
    Role,
    SpeechStarted,
    Stage,
    TurnEnded,
)
from contracts.telemetry import ENGINE_FAILURES
from runtime.settings import ProcessSettings
from stt_service.handlers import Mouth
from tests.support.context import service_context
from tests.support.waiting import eventually

CALL = CallRef("acme", "0190a6a8-9b2c-7def-8123-456789abcdef")
STARTED = SpeechStarted(turn=1, started_us=5, detected_us=9)


def ended(text: str) -> TurnEnded:
    return TurnEnded(
        turn=1,
        text_pii=text,
        language="en",
        confidence=1.0,
        speech_started_us=5,
        speech_ended_us=7,
        decided_us=9,
        audio_ms=0.002,
        decode_ms=100.0,
        engine="whisper",
    )


def an_assignment() -> Assign:
    assistant = AssistantSnapshot(id="desk", name="Desk", greeting="Hi.", prompt="Be kind.")
    return Assign(
        call=CALL.call,
        tenant=CALL.tenant,
        epoch=3,
        gateway="gateway-1",
        workers={Role.STT: "stt-1"},
        assistant=assistant,
    )


async def test_events_leave_in_order_and_follow_from_the_start_of_their_speech(nats_url: str) -> None:
    heard: list[Event[Any]] = []

    async def hear(event: Event[Any]) -> None:
        heard.append(event)

    failed = EngineFailed(
        stage=Stage.STT,
        engine="whisper",
        code=ErrorCode.ENGINE_TIMEOUT,
        detail="too slow",
        retryable=True,
        next_engine=None,
    )
    said: list[Message] = [STARTED, failed, ended("One."), STARTED, ended("Two.")]
    async with service_context(ProcessSettings(nats_url=nats_url), "stt") as context:
        await context.bus.on_events(CALL, hear)
        mouth = Mouth(context.bus, context.metrics)
        teller = mouth.teller(an_assignment())
        for body in said:
            teller.publish(body, None)
        context.tasks.spawn(mouth.run(), "mouth")
        await eventually(lambda: len(heard) == len(said), "every event")
        assert context.metrics.counter(ENGINE_FAILURES).total() == 1
    assert [event.body for event in heard] == said
    assert {event.epoch for event in heard} == {3}
    first, _, _, second, _ = heard
    assert [event.cause for event in heard[1:3]] == [first.id] * 2
    assert heard[4].cause == second.id


async def test_what_cannot_be_published_is_left_out_and_the_rest_goes_on(
    nats_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    heard: list[Event[Any]] = []

    async def hear(event: Event[Any]) -> None:
        heard.append(event)

    async with service_context(ProcessSettings(nats_url=nats_url), "stt") as context:
        await context.bus.on_events(CALL, hear)
        mouth = Mouth(context.bus, context.metrics)
        context.tasks.spawn(mouth.run(), "mouth")
        teller = mouth.teller(an_assignment())
        teller.publish(ended("so much " * 100_000), None)
        teller.publish(PartialTranscript(turn=1, text_pii="So"), None)
        teller.publish(ended("So much."), None)
        await eventually(lambda: heard, "the rest")
    assert [event.body.text_pii for event in heard] == ["So much."]
    assert "TurnEnded of" in caplog.text
    assert "so much" not in caplog.text


async def test_a_call_that_is_over_says_nothing_more(nats_url: str) -> None:
    heard: list[Event[Any]] = []

    async def hear(event: Event[Any]) -> None:
        heard.append(event)

    async with service_context(ProcessSettings(nats_url=nats_url), "stt") as context:
        await context.bus.on_events(CALL, hear)
        mouth = Mouth(context.bus, context.metrics)
        over, other = mouth.teller(an_assignment()), mouth.teller(an_assignment())
        over.publish(ended("Too late."), None)
        over.closed = True
        other.publish(STARTED, None)
        context.tasks.spawn(mouth.run(), "mouth")
        await eventually(lambda: heard, "the other call")
    assert [event.body for event in heard] == [STARTED]
