"""Batches from a real stream: what waits there comes at once, and nothing is asked for before it is due."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from nats.aio.msg import Msg

from analytics_service.intake import Intake, IntakePlan
from contracts.streams import CALLS
from runtime.process import Context
from runtime.settings import ProcessSettings
from runtime.storage import ensure_stream
from tests.support.clock import ManualClock
from tests.support.context import service_context
from tests.unit.analytics_service.asking import publish
from tests.unit.analytics_service.stories import EVENTS_TOLD, call_ref, whole_call


@dataclass
class Taken:
    context: Context
    clock: ManualClock
    intake: Intake

    async def tell(self, *numbers: int) -> None:
        await publish(
            self.context.bus, [one for number in numbers for one in whole_call(call_ref(number)).told]
        )

    async def refuse(self, message: Msg) -> None:
        """Return once it will come again: the consumer takes refusals and pulls from separate queues."""
        await self.context.bus.client.request(message.reply, Msg.Ack.Nak, timeout=10)


@pytest.fixture
async def taken(nats_url: str) -> AsyncIterator[Taken]:
    async with service_context(ProcessSettings(nats_url=nats_url), "analytics") as context:
        await ensure_stream(context.bus.jetstream, CALLS)
        clock = ManualClock()
        plan = IntakePlan("analytics", events=2 * EVENTS_TOLD, wait_s=1.0, ack_wait_s=15.0)
        intake = Intake(context.bus.client, context.bus.jetstream, clock, plan)
        yield Taken(context, clock, intake)
        await intake.close()


async def test_what_waits_in_the_stream_comes_in_one_batch_and_an_empty_stream_gives_none(
    taken: Taken,
) -> None:
    assert await taken.intake.gather() == []
    await taken.tell(1)
    assert len(await taken.intake.gather_rest()) == EVENTS_TOLD
    assert await taken.intake.gather_rest() == []


async def test_a_full_batch_is_followed_at_once_and_any_other_after_a_while(taken: Taken) -> None:
    await taken.tell(1, 2, 3)
    batches = [await taken.intake.gather(), await taken.intake.gather()]  # no clock needed
    assert [len(batch) for batch in batches] == [2 * EVENTS_TOLD, EVENTS_TOLD]
    following = taken.context.tasks.spawn(taken.intake.gather(), "gather")
    await taken.tell(4)
    await taken.clock.advance(0.9)
    assert not following.done()
    await taken.clock.advance(0.2)
    assert len(await following) == EVENTS_TOLD


async def test_what_was_not_acknowledged_comes_again_to_whoever_comes_after(taken: Taken) -> None:
    await taken.tell(1, 2)
    first = await taken.intake.gather()
    await taken.intake.acknowledge(first[:EVENTS_TOLD])
    for message in first[EVENTS_TOLD:]:
        await taken.refuse(message)
    again = await taken.intake.gather_rest()
    assert [message.data for message in again] == [message.data for message in first[EVENTS_TOLD:]]


async def test_a_consumer_that_is_gone_is_made_again(taken: Taken, caplog: pytest.LogCaptureFixture) -> None:
    assert await taken.intake.gather() == []
    await taken.context.bus.jetstream.delete_consumer(CALLS.name, "analytics")
    asking = taken.context.tasks.spawn(taken.intake.gather_rest(), "gather")
    while not caplog.text:
        await taken.context.bus.flush()
    await taken.clock.advance(0.6)
    assert await asking == []
    await taken.tell(1)
    assert len(await taken.intake.gather_rest()) == EVENTS_TOLD
    assert "could not be read" in caplog.text
