from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator

import pytest

from llm_service.errors import EngineRejected, EngineTimeout, EngineUnavailable, NoAnswer
from llm_service.ports import Delta, Prompt
from llm_service.retry import Deadlined, Retrying, RetryPolicy
from tests.support.clock import ManualClock
from tests.unit.llm_service.scripted import ScriptedEngine, Step, assistant

PROMPT = Prompt(assistant(), ())
POLICY = RetryPolicy(tries=3, first_wait_s=0.2, within_s=2.0)


async def collect(deltas: AsyncGenerator[Delta, None], into: list[str] | None = None) -> str:
    got = [] if into is None else into
    async for delta in deltas:
        got.append(delta.text)
    return "".join(got)


async def retried(*scripts: list[Step], policy: RetryPolicy = POLICY) -> tuple[str, ScriptedEngine]:
    clock = ManualClock()
    engine = ScriptedEngine(*scripts)
    task = asyncio.create_task(collect(Retrying(engine, policy, clock, random.Random(1)).generate(PROMPT)))
    for _ in range(20):
        await clock.advance(0.1)
    return await task, engine


async def test_a_passing_failure_is_tried_again() -> None:
    text, engine = await retried([EngineUnavailable("down")], [EngineTimeout("slow")], ["Hello."])
    assert text == "Hello."
    assert len(engine.prompts) == 3


async def test_three_tries_are_enough() -> None:
    engine = ScriptedEngine([EngineUnavailable("down")])
    clock = ManualClock()
    task = asyncio.create_task(collect(Retrying(engine, POLICY, clock, random.Random(1)).generate(PROMPT)))
    await clock.advance(5)
    with pytest.raises(EngineUnavailable):
        await task
    assert len(engine.prompts) == 3


@pytest.mark.parametrize("error", [EngineRejected("wrong key"), NoAnswer("nothing"), KeyError("bug")])
async def test_what_will_not_pass_is_not_tried_again(error: Exception) -> None:
    engine = ScriptedEngine([error])
    with pytest.raises(type(error)):
        await collect(Retrying(engine, POLICY, ManualClock(), random.Random(1)).generate(PROMPT))
    assert len(engine.prompts) == 1


async def test_after_the_first_word_there_is_no_second_try() -> None:
    engine = ScriptedEngine(["Hello", EngineUnavailable("broke off")], ["Again."])
    got: list[str] = []
    with pytest.raises(EngineUnavailable):
        await collect(Retrying(engine, POLICY, ManualClock(), random.Random(1)).generate(PROMPT), got)
    assert got == ["Hello"]
    assert len(engine.prompts) == 1


async def test_a_delta_without_text_is_no_word() -> None:
    text, _ = await retried([Delta(prompt_tokens=3), EngineUnavailable("down")], ["Hello."])
    assert text == "Hello."


async def test_no_try_begins_too_late() -> None:
    engine = ScriptedEngine([EngineUnavailable("down")])
    policy = RetryPolicy(tries=3, first_wait_s=4.0, within_s=1.0)
    with pytest.raises(EngineUnavailable):
        await collect(Retrying(engine, policy, ManualClock(), random.Random(1)).generate(PROMPT))
    assert len(engine.prompts) == 1


def test_waits_double_and_vary_downwards_only() -> None:
    rng = random.Random(3)
    for failed, longest_s in ((1, 0.2), (2, 0.4), (3, 0.8)):
        waits = [POLICY.wait_s(failed, rng) for _ in range(200)]
        assert longest_s / 2 <= min(waits) < max(waits) <= longest_s


async def test_a_cancelled_wait_ends_the_tries() -> None:
    engine = ScriptedEngine([EngineUnavailable("down")])
    clock = ManualClock()
    task = asyncio.create_task(collect(Retrying(engine, POLICY, clock, random.Random(1)).generate(PROMPT)))
    await clock.advance(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await clock.advance(5)
    assert len(engine.prompts) == 1


async def test_silence_before_the_first_word_is_a_timeout() -> None:
    engine = ScriptedEngine([asyncio.Event()])
    with pytest.raises(EngineTimeout, match=r"0\.01 s") as raised:
        await collect(Deadlined(engine, first_token_s=0.01, token_s=60).generate(PROMPT))
    assert raised.value.retryable
    assert engine.ended == 1


async def test_silence_between_words_is_a_timeout() -> None:
    engine = ScriptedEngine(["Hello", asyncio.Event()])
    got: list[str] = []
    with pytest.raises(EngineTimeout, match=r"0\.01 s"):
        await collect(Deadlined(engine, first_token_s=60, token_s=0.01).generate(PROMPT), got)
    assert got == ["Hello"]


async def test_a_prompt_engine_passes_through() -> None:
    engine = ScriptedEngine(["Hello ", "there."])
    assert await collect(Deadlined(engine, 60, 60).generate(PROMPT)) == "Hello there."


async def test_wrappers_prepare_and_close_what_they_wrap() -> None:
    engine = ScriptedEngine([])
    wrapped = Retrying(Deadlined(engine, 1, 1), POLICY, ManualClock(), random.Random(1))
    await wrapped.prepare(assistant())
    await wrapped.close()
    assert engine.prepared == ["front-desk"]
    assert engine.closed
