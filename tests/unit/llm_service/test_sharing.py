"""An engine's slots: as many as it has, fairly, and not waited for without end."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import replace
from functools import partial

import pytest

from llm_service.errors import EngineTimeout
from llm_service.ports import Prompt
from llm_service.sharing import Shared
from runtime.clock import SystemClock
from runtime.fair_queue import FairGate
from runtime.room import RoomMeter
from tests.support.clock import ManualClock
from tests.support.waiting import eventually
from tests.unit.llm_service.scripted import ScriptedEngine, Step, assistant

PROMPT = Prompt(assistant(), ())


async def _answer(engine: Shared, tenant: str) -> str:
    async with aclosing(engine.generate(replace(PROMPT, tenant=tenant))) as deltas:
        return "".join([delta.text async for delta in deltas])


def _so_many(engine: ScriptedEngine, begun: int) -> bool:
    return len(engine.prompts) == begun


async def test_a_loud_tenants_prompts_wait_for_each_other_and_not_the_quiet_one() -> None:
    gates = [asyncio.Event() for _ in range(4)]
    scripts: list[list[Step]] = [[gate, "Yes."] for gate in gates]
    inner = ScriptedEngine(*scripts)
    clock = ManualClock()
    meter = RoomMeter(1, 0.3, clock)
    engine = Shared(inner, FairGate(1, clock), meter, clock, 5.0)
    asked = [asyncio.ensure_future(_answer(engine, tenant)) for tenant in ("loud", "loud", "loud", "quiet")]
    for begun, gate in enumerate(gates, start=1):
        await eventually(partial(_so_many, inner, begun), "its turn")
        clock.tick(0.5)
        gate.set()
    assert await asyncio.gather(*asked) == ["Yes."] * 4
    assert [prompt.tenant for prompt in inner.prompts] == ["loud", "quiet", "loud", "loud"]
    assert meter.utilisation == 1.0


async def test_who_waits_too_long_is_told_so_and_leaves_the_queue() -> None:
    held = asyncio.Event()
    inner = ScriptedEngine([held, "Yes."])
    clock = SystemClock()
    gate = FairGate(1, clock)
    engine = Shared(inner, gate, RoomMeter(1, 0.3, clock), clock, 0.05)
    first = asyncio.ensure_future(_answer(engine, "one"))
    await eventually(lambda: inner.prompts, "the slot is taken")
    with pytest.raises(EngineTimeout, match="no slot"):
        await _answer(engine, "two")
    assert len(gate) == 0
    held.set()
    assert await first == "Yes."


async def test_a_caller_who_hangs_up_frees_the_slot() -> None:
    inner = ScriptedEngine([asyncio.Event()], ["Yes."])
    clock = SystemClock()
    engine = Shared(inner, FairGate(1, clock), RoomMeter(1, 0.3, clock), clock, 5.0)
    first = asyncio.ensure_future(_answer(engine, "one"))
    await eventually(lambda: inner.prompts, "the slot is taken")
    first.cancel()
    assert await _answer(engine, "two") == "Yes."
    assert inner.ended == 2
    await engine.prepare(assistant())
    await engine.close()
    assert (inner.prepared, inner.closed) == ([assistant().id], True)
