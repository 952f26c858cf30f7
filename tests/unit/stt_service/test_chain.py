from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

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


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    tasks = TaskOwner("test")
    yield Bench(tasks)
    await tasks.close()


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
