"""On virtual time: one call by script, and what is written down of it."""

from __future__ import annotations

import asyncio

import pytest

from tests.support.clock import ManualClock
from tests.unit.trunkline.fake_agent import FakeAgent, finish
from trunkline.caller import Connect, Dialling
from trunkline.errors import CallFailed
from trunkline.load.report import CallRecord
from trunkline.load.script import parse_pattern
from trunkline.load.talker import Gate, Talker, connect_in_phase
from trunkline.media_socket import Receiver


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


def talker(clock: ManualClock, connect: Connect, talk_s: float = 14.0) -> Talker:
    async def now() -> float:
        return clock.monotonic_s()

    dialling = Dialling("ws://x/media/twilio", "+15550199", "+15550123", "CA1")
    return Talker(dialling, parse_pattern("noise:2,silence:4"), talk_s, clock, 0.0, connect, now)


async def hold(clock: ManualClock, one: Talker) -> CallRecord:
    record = await finish(clock, asyncio.ensure_future(one.talk()))
    assert isinstance(record, CallRecord)
    return record


async def test_a_turn_is_measured_from_the_last_loud_frame_to_the_first_of_the_answer(
    clock: ManualClock,
) -> None:
    agent = FakeAgent(clock, [10, 100, 50, 1], hangs_up=False)
    record = await hold(clock, talker(clock, agent.connect))
    assert record.ending == "hung_up"
    assert record.expected == 2
    assert [turn.waited_ms for turn in record.turns] == pytest.approx([300, 300], abs=0.5)
    assert [turn.heard_ms for turn in record.turns] == pytest.approx([2_000, 1_000], abs=21)
    assert record.turns[1].said_s - record.turns[0].said_s == pytest.approx(6.0, abs=0.021)
    assert [turn.audible_ms for turn in record.turns] == [2_000.0, 1_000.0]
    assert record.frames_heard == 160


async def test_when_a_caller_had_no_socket_is_written_down(clock: ManualClock) -> None:
    agent = FakeAgent(clock, [10, 100, 50], hangs_up=False)
    talking = asyncio.ensure_future(talker(clock, agent.connect).talk())
    for _ in range(16):
        await clock.advance(0.5)
    agent.say_closed(1012, "drained")
    record = await finish(clock, talking)
    assert record.ending == "hung_up"
    ((since_s, until_s),) = record.away
    assert since_s == pytest.approx(8, abs=0.6)
    assert until_s - since_s == pytest.approx(0.1, abs=0.02)


async def test_who_has_said_enough_hangs_up_instead_of_saying_more(clock: ManualClock) -> None:
    agent = FakeAgent(clock, [10, 100, 100, 100], hangs_up=False)
    one = talker(clock, agent.connect, talk_s=60.0)
    one.enough = lambda: clock.monotonic_s() > 7
    record = await hold(clock, one)
    assert record.ending == "hung_up"
    assert record.expected == len(record.turns) == 1
    assert record.turns[0].audible_ms == 2_000.0, "the last answer was heard out"


async def test_a_turn_without_an_answer_is_kept_as_such(clock: ManualClock) -> None:
    record = await hold(clock, talker(clock, FakeAgent(clock, [10, 20], hangs_up=False).connect))
    assert [turn.waited_ms is None for turn in record.turns] == [False, True]


async def test_a_call_that_the_agent_ends_is_broken_off(clock: ManualClock) -> None:
    record = await hold(clock, talker(clock, FakeAgent(clock, [10, 20]).connect))
    assert record.ending == "lost"
    assert len(record.turns) == 1


async def test_a_refusal_keeps_its_code(clock: ManualClock) -> None:
    agent = FakeAgent(clock, [10, 20], hangs_up=False)

    async def refused(url: str, receiver: Receiver) -> FakeAgent:
        await agent.connect(url, receiver)
        agent.say_closed(4486, "full")
        return agent

    assert (await hold(clock, talker(clock, refused))).ending == "refused_4486"


async def test_a_call_that_never_got_through_says_so(clock: ManualClock) -> None:
    async def nobody(url: str, receiver: Receiver) -> FakeAgent:
        raise CallFailed("nobody answers")

    assert (await hold(clock, talker(clock, nobody))).ending == "not_connected"


async def test_calls_connect_at_their_own_point_of_the_frame_period(clock: ManualClock) -> None:
    agent = FakeAgent(clock, [])
    clock.tick(0.013)
    connect = connect_in_phase(clock, 0.25, agent.connect)
    await finish(clock, asyncio.ensure_future(connect("ws://x", talker(clock, agent.connect))))  # type: ignore[arg-type]  # a receiver
    assert clock.monotonic_s() >= 0.025
    assert agent.receiver is not None


async def test_the_gate_opens_for_all_when_the_last_has_come_or_is_given_up(clock: ManualClock) -> None:
    gate = Gate(3, clock)
    first, second = asyncio.ensure_future(gate.wait()), asyncio.ensure_future(gate.wait())
    await clock.advance(2.0)
    assert not first.done()
    gate.one_less()
    assert [*await asyncio.gather(first, second)] == [2.0, 2.0]
