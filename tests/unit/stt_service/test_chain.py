from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.errors import ErrorCode, TrunklineError
from contracts.messages import EngineFailed, Stage
from runtime.clock import SystemClock
from runtime.tasks import TaskOwner
from stt_service.batching import DecodeBatcher
from stt_service.chain import Chain
from stt_service.errors import EngineFault, EngineMissing
from tests.support.clock import ManualClock
from tests.unit.stt_service.engines_under_test import EagerEngine, segment


class Bench:
    """A chain over engines that answer at once."""

    def __init__(self, tasks: TaskOwner) -> None:
        self.tasks = tasks
        self.clock = ManualClock()
        self.engines: dict[str, DecodeBatcher | TrunklineError] = {}
        self.failures: list[EngineFailed] = []
        self.chain = Chain(self, self.clock, rest_s=10.0)

    def add(self, name: str, engine: EagerEngine | TrunklineError) -> None:
        if isinstance(engine, TrunklineError):
            self.engines[name] = engine
            return
        batcher = DecodeBatcher(engine, SystemClock(), batch_limit=4, timeout_s=5)
        self.tasks.spawn(batcher.run(), name)
        self.engines[name] = batcher

    async def get(self, name: str) -> DecodeBatcher:
        engine = self.engines[name]
        if isinstance(engine, TrunklineError):
            raise engine
        return engine

    async def write_down(self, *names: str) -> tuple[str, str] | None:
        heard = await self.chain.write_down(segment(), names, self.failures.append)
        return (heard.engine, heard.transcript.text) if heard else None


@asynccontextmanager
async def bench_of(faults: Sequence[Exception | None] = ()) -> AsyncIterator[Bench]:
    """An engine for each of these faults: it answers where there is none."""
    tasks = TaskOwner("test")
    made = Bench(tasks)
    for at, fault in enumerate(faults):
        made.add(f"e{at}", fault if isinstance(fault, EngineMissing) else EagerEngine(error=fault))
    yield made
    await tasks.close()


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    async with bench_of() as made:
        yield made


async def test_the_first_engine_answers(bench: Bench) -> None:
    bench.add("one", EagerEngine("One."))
    bench.add("two", EagerEngine("Two."))
    assert await bench.write_down("one", "two") == ("one", "One.")
    assert bench.failures == []


async def test_a_failing_engine_is_followed_by_the_next(bench: Bench) -> None:
    bench.add("one", EngineMissing("it is not here", mend="install it"))
    bench.add("two", EagerEngine(error=EngineFault("it broke")))
    bench.add("three", EagerEngine("Three."))
    assert await bench.write_down("one", "two", "three") == ("three", "Three.")
    assert bench.failures == [
        EngineFailed(
            stage=Stage.STT,
            engine="one",
            code=ErrorCode.MODEL_MISSING,
            detail="it is not here (install it)",
            retryable=False,
            next_engine="two",
        ),
        EngineFailed(
            stage=Stage.STT,
            engine="two",
            code=ErrorCode.ENGINE_UNAVAILABLE,
            detail="it broke",
            retryable=True,
            next_engine="three",
        ),
    ]


async def test_where_all_fail_there_is_nothing(bench: Bench) -> None:
    bench.add("one", EagerEngine(error=EngineFault("it broke")))
    bench.add("two", EagerEngine(error=EngineFault("it broke too")))
    assert await bench.write_down("one", "two") is None
    assert [(failure.engine, failure.next_engine) for failure in bench.failures] == [
        ("one", "two"),
        ("two", None),
    ]


async def test_an_engine_that_failed_is_asked_last_for_a_while(bench: Bench) -> None:
    one, two = EagerEngine("One.", EngineFault("it broke")), EagerEngine("Two.")
    bench.add("one", one)
    bench.add("two", two)
    await bench.write_down("one", "two")
    assert await bench.write_down("one", "two") == ("two", "Two.")
    assert len(one.batches) == 1
    one.error = None
    bench.clock.tick(10.0)
    assert await bench.write_down("one", "two") == ("one", "One.")


async def test_a_glance_is_at_the_preferred_engine_and_fails_in_silence(bench: Bench) -> None:
    one = EagerEngine("One.")
    bench.add("one", one)
    bench.add("two", EagerEngine("Two."))
    glance = await bench.chain.glance(segment(), ("one", "two"))
    assert glance is not None
    assert (glance.engine, glance.transcript.text) == ("one", "One.")
    one.error = EngineFault("it broke")
    assert await bench.chain.glance(segment(), ("one", "two")) is None
    assert bench.failures == []


FAULTS = (EngineFault("it broke"), RuntimeError("its library did"), EngineMissing("it is not here", mend="x"))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from([None, *FAULTS]), min_size=1, max_size=5), st.integers(1, 3))
async def test_property_3_another_speech_engine_writes_it_down(
    faults: list[Exception | None], segments: int
) -> None:
    """Feature: ai-voice-agent, Property 3: Provider Fallback Resilience: whichever engines fail, the first of
    the others writes down every segment, each failure names who follows, and who failed is not asked again.
    """
    async with bench_of(faults) as bench:
        names = list(bench.engines)
        able = next((at for at, fault in enumerate(faults) if fault is None), None)
        heard = [await bench.write_down(*names) for _ in range(segments)]
        assert heard == [(names[able], "Yes.") if able is not None else None] * segments
        tried = names if able is None else names[:able]
        told = [(failure.engine, failure.next_engine) for failure in bench.failures]
        followers = [*names[1:], None]
        rounds = segments if able is None else 1
        assert told == list(zip(tried, followers, strict=False)) * rounds
