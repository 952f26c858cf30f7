"""From callbacks to the bus: in order, and what cannot be published holds up nobody."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from contracts.channels import CALLER_AUDIO, DTMF_RECEIVED
from contracts.examples.practice import CALL
from contracts.messages import DtmfReceived, EndReason, Event, LegEnded
from gateway_service.dispatch import Dispatch, Saying
from runtime.process import Context
from runtime.settings import ProcessSettings
from tests.support.context import service_context
from tests.support.waiting import eventually
from tests.unit.gateway_service.agent_audio import frame

SUBJECT = CALLER_AUDIO.subject(process="stt-1", tenant=CALL.tenant, call=CALL.call)


@pytest.fixture
async def context(nats_url: str) -> AsyncIterator[Context]:
    async with service_context(ProcessSettings(nats_url=nats_url), "gateway") as context:
        yield context


async def test_frames_and_events_arrive_in_order(context: Context) -> None:
    frames, digits = [], []

    async def hear(event: Event[DtmfReceived]) -> None:
        digits.append(event.body.digit_pii)

    await context.bus.on_frames("stt-1", lambda _, frame: frames.append(frame.sequence))
    await context.bus.on_every_call(hear, DTMF_RECEIVED)
    dispatch = Dispatch(context.bus)
    context.tasks.spawn(dispatch.run(), "dispatch")
    for number in range(10):
        context.bus.send_frame(SUBJECT, frame(0, number=number))
        dispatch.event(Saying(CALL, DtmfReceived(digit_pii=str(number)), None, None))
    await eventually(lambda: len(frames) == len(digits) == 10, "everything")
    assert frames == list(range(10))
    assert digits == list("0123456789")


async def test_an_event_that_cannot_be_published_does_not_hold_up_the_next(
    context: Context, caplog: pytest.LogCaptureFixture
) -> None:
    digits = []

    async def hear(event: Event[DtmfReceived]) -> None:
        digits.append(event.body.digit_pii)

    await context.bus.on_every_call(hear, DTMF_RECEIVED)
    dispatch = Dispatch(context.bus)
    huge = LegEnded(
        reason=EndReason.FAILED, detail="x" * 400_000, frames_in=0, frames_out=0, frames_dropped=0
    )
    dispatch.event(Saying(CALL, huge, None, None))
    dispatch.event(Saying(CALL, DtmfReceived(digit_pii="1"), None, None))
    await dispatch.flush()
    await eventually(lambda: digits == ["1"], "the next")
    assert "LegEnded was not published" in caplog.text


async def test_an_event_takes_with_it_the_frames_that_wait_for_others(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A loop whose timers never ring: what goes out does so because of the event."""
    heard, frames = [], []

    async def hear(event: Event[DtmfReceived]) -> None:
        heard.append(event.body)

    await context.bus.on_frames("stt-1", lambda _, frame: frames.append(frame.sequence))
    await context.bus.on_every_call(hear, DTMF_RECEIVED)
    await context.bus.flush()
    dispatch = Dispatch(context.bus)
    context.tasks.spawn(dispatch.run(), "dispatch")
    rings: list[object] = []
    with monkeypatch.context() as patch:
        patch.setattr(asyncio.get_running_loop(), "call_soon", rings.append)
        for number in range(3):
            context.bus.send_frame(SUBJECT, frame(0, number=number))
    assert len(rings) == 1
    assert context.bus.frames.limit - context.bus.frames.room == 3
    dispatch.event(Saying(CALL, DtmfReceived(digit_pii="1"), None, None))
    await eventually(lambda: heard and len(frames) == 3, "all of it")
