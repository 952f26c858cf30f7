"""Whole runs on virtual time, with an agent for each caller."""

from __future__ import annotations

import asyncio
import os
import random
from dataclasses import replace

import pytest

from tests.support.clock import ManualClock
from tests.unit.trunkline.fake_agent import FakeAgent, finish
from trunkline.caller import Wire
from trunkline.errors import CallFailed
from trunkline.load.plan import Arrival, LoadPlan, Number
from trunkline.load.report import LoadReport
from trunkline.load.run import LoadRun
from trunkline.load.script import parse_pattern
from trunkline.media_socket import Receiver
from trunkline.reports.samples import Sample

PLAN = LoadPlan(
    url="ws://127.0.0.1/media/twilio",
    numbers=(Number("+15550199"),),
    calls=3,
    arrival=Arrival.CONSTANT,
    arrive_over_s=3.0,
    script=parse_pattern("noise:1,silence:3"),
    talk_s=6.0,
)


class Switchboard:
    """An agent for each call; `refuses` counts from 0."""

    def __init__(self, clock: ManualClock, refuses: int | None = None) -> None:
        self.agents: list[FakeAgent] = []
        self._clock = clock
        self._refuses = refuses

    async def connect(self, url: str, receiver: Receiver) -> Wire:
        agent = FakeAgent(self._clock, [10] * 5, hangs_up=False)
        self.agents.append(agent)
        if len(self.agents) - 1 == self._refuses:
            raise CallFailed("nobody answers")
        return await agent.connect(url, receiver)


async def run(plan: LoadPlan, clock: ManualClock, board: Switchboard, looks: list[Sample]) -> LoadReport:
    pids = {"callers": os.getpid()}
    work = LoadRun(
        plan, clock, random.Random(1), pids=pids, connect=board.connect, progress=looks.append
    ).run()
    found = await finish(clock, asyncio.ensure_future(work))
    assert isinstance(found, LoadReport)
    return found


async def test_every_call_arrives_in_its_time_and_is_answered() -> None:
    clock, looks = ManualClock(), list[Sample]()
    report = await run(PLAN, clock, Switchboard(clock), looks)
    assert [call.began_s for call in report.calls] == pytest.approx([0, 1, 2], abs=0.03)
    assert report.figures()["answered"] == 1
    assert report.expected == 6
    assert report.figures()["most_calls"] == 3
    assert report.broken == {}
    assert looks == list(report.samples)
    assert looks[-1].spurts >= 6
    assert "callers" in looks[0].cpu_s


async def test_together_nobody_talks_before_all_are_up_and_each_at_his_own_point() -> None:
    clock = ManualClock()
    report = await run(replace(PLAN, together=True), clock, Switchboard(clock), [])
    first_said = [call.turns[0].said_s for call in report.calls]
    assert min(first_said) > report.talk_from_s > 2.0
    assert first_said[1] - first_said[0] == pytest.approx(4 / 3, abs=0.05)
    assert first_said[2] - first_said[0] == pytest.approx(8 / 3, abs=0.05)


async def test_a_call_that_does_not_get_through_keeps_nobody_waiting() -> None:
    clock = ManualClock()
    report = await run(replace(PLAN, together=True), clock, Switchboard(clock, refuses=1), [])
    assert report.broken == {"not_connected": 1}
    assert report.figures()["answered"] == pytest.approx(4 / 6)


async def test_a_fault_of_the_program_itself_is_raised() -> None:
    clock = ManualClock()

    class Broken(Switchboard):
        async def connect(self, url: str, receiver: Receiver) -> Wire:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await run(PLAN, clock, Broken(clock), [])
