from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

import pytest

from audio.errors import WavError
from tests.support.clock import ManualClock
from tests.unit.trunkline.fake_agent import FakeAgent, call_with, finish, spoken
from trunkline.demo_script import Lines, hold_conversation, load_lines
from trunkline.errors import CallFailed
from trunkline.local_platform import EXAMPLES
from trunkline.turn_taking import Exchange

LINES = Lines((spoken("one"), spoken("two"), spoken("three")), spoken("wait"), spoken("bye"))


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


async def hold(clock: ManualClock, agent: FakeAgent) -> list[Exchange]:
    exchanges: list[Exchange] = []
    async with call_with(clock, agent) as caller:
        await finish(clock, asyncio.ensure_future(hold_conversation(caller, LINES, exchanges.append)))
    return exchanges


async def test_three_questions_an_interruption_and_a_goodbye(clock: ManualClock) -> None:
    exchanges = await hold(clock, FakeAgent(clock, [50, 100, 100, 500, 100, 50]))
    assert [exchange.said.utterance.name for exchange in exchanges] == ["one", "two", "three", "wait", "bye"]
    assert all(exchange.answered for exchange in exchanges)
    assert [exchange.interrupts for exchange in exchanges] == [False, False, False, True, False]
    assert exchanges[3].stopped_ms is not None
    assert exchanges[3].stopped_ms <= 40
    assert [exchange.waited_ms for exchange in exchanges] == pytest.approx([300] * 5, abs=25)


async def test_the_interruption_comes_two_seconds_into_the_answer(clock: ManualClock) -> None:
    agent = FakeAgent(clock, [50, 100, 100, 500, 100, 50])
    exchanges = await hold(clock, agent)
    three, wait = exchanges[2], exchanges[3]
    assert three.said.speech_ended is not None
    assert three.waited_ms is not None
    assert wait.said.began is not None
    into_answer_s = (wait.said.began - three.said.speech_ended) / 8000 - three.waited_ms / 1000
    assert into_answer_s == pytest.approx(2.0, abs=0.1)


async def test_an_agent_that_talks_on_is_found_out(clock: ManualClock) -> None:
    exchanges = await hold(clock, FakeAgent(clock, [50, 100, 100, 500, 100, 50], stops=False))
    assert exchanges[3].stopped_ms is None


async def test_a_call_that_breaks_off_keeps_what_was_said_before(clock: ManualClock) -> None:
    exchanges: list[Exchange] = []
    async with call_with(clock, FakeAgent(clock, [50, 100, 100])) as caller:
        with pytest.raises(CallFailed):
            await finish(clock, asyncio.ensure_future(hold_conversation(caller, LINES, exchanges.append)))
    assert [exchange.said.utterance.name for exchange in exchanges] == ["one"]


def test_the_lines_come_from_the_examples() -> None:
    lines = load_lines(EXAMPLES / "audio")
    assert len(lines) == 5
    assert [one.name for one in lines.questions] == ["opening-hours", "cleaning-price", "parking"]


def test_a_line_that_is_missing_is_named(tmp_path: Path) -> None:
    for name in ("opening-hours", "cleaning-price"):
        shutil.copy(EXAMPLES / "audio" / f"{name}.wav", tmp_path)
    with pytest.raises(WavError, match=r"parking.wav cannot be read"):
        load_lines(tmp_path)
