from __future__ import annotations

import asyncio

import pytest

from tests.support.clock import ManualClock
from tests.unit.trunkline.fake_agent import FakeAgent, call_with, finish, spoken
from trunkline.errors import CallFailed, CallRefused
from trunkline.turn_taking import ask, hear_greeting


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


async def test_the_greeting_is_heard_to_its_end(clock: ManualClock) -> None:
    agent = FakeAgent(clock, [100], hangs_up=False)
    async with call_with(clock, agent) as caller:
        assert await finish(clock, asyncio.ensure_future(hear_greeting(caller)))
        assert caller.ear.frames == 100


async def test_an_agent_that_does_not_greet_is_not_waited_for_without_end(clock: ManualClock) -> None:
    async with call_with(clock, FakeAgent(clock, [])) as caller:
        assert not await finish(clock, asyncio.ensure_future(hear_greeting(caller)))


async def test_a_question_is_answered_and_the_wait_measured(clock: ManualClock) -> None:
    agent = FakeAgent(clock, [10, 50], hangs_up=False)
    async with call_with(clock, agent) as caller:
        await finish(clock, asyncio.ensure_future(hear_greeting(caller)))
        exchange = await finish(clock, asyncio.ensure_future(ask(caller, spoken("q"))))
        assert exchange.answered
        assert exchange.waited_ms == pytest.approx(300, abs=20)
        assert caller.ear.frames == 60


async def test_a_question_that_nobody_answers(clock: ManualClock) -> None:
    async with call_with(clock, FakeAgent(clock, [], hangs_up=False)) as caller:
        exchange = await finish(clock, asyncio.ensure_future(ask(caller, spoken("q"))))
        assert not exchange.answered
        assert exchange.waited_ms is None


async def test_after_the_last_thing_said_the_agent_may_hang_up(clock: ManualClock) -> None:
    async with call_with(clock, FakeAgent(clock, [10, 10])) as caller:
        await finish(clock, asyncio.ensure_future(hear_greeting(caller)))
        exchange = await finish(clock, asyncio.ensure_future(ask(caller, spoken("bye"), last=True)))
        assert exchange.answered


async def test_before_the_last_thing_said_it_may_not(clock: ManualClock) -> None:
    async with call_with(clock, FakeAgent(clock, [10, 10])) as caller:
        await finish(clock, asyncio.ensure_future(hear_greeting(caller)))
        with pytest.raises(CallFailed, match="the call is over"):
            await finish(clock, asyncio.ensure_future(ask(caller, spoken("q"))))


async def test_a_fault_is_none_the_less_one_at_the_end(clock: ManualClock) -> None:
    agent = FakeAgent(clock, [10], hangs_up=False)
    async with call_with(clock, agent) as caller:
        asking = asyncio.ensure_future(ask(caller, spoken("bye"), last=True))
        await clock.advance(0.2)
        agent.say_closed(1011, "a fault of ours")
        with pytest.raises(CallRefused, match="1011: a fault of ours"):
            await finish(clock, asking)
