from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from audio.codec import encode, to_pcm16
from contracts.frames import Codec
from runtime.clock import SystemClock
from runtime.tasks import TaskOwner
from stt_service.batching import DecodeBatcher, Decoded, DetectionLoop
from stt_service.edges import Levels
from stt_service.errors import EngineFault, EngineRejected, EngineTimeout
from stt_service.hearing import Window
from tests.support.clock import ManualClock
from tests.support.waiting import eventually
from tests.unit.stt_service.engines_under_test import HandEngine, segment

# -- detection ---------------------------------------------------------------------------------------


SAMPLES = 160


def window(value: int, codec: Codec = Codec.PCM16) -> Window:
    """A window whose every sample is `value` thousandths of full scale."""
    return Window(codec, encode(codec, to_pcm16(np.full(SAMPLES, value / 1000, np.float32))))


class SummingDetector:
    """Keeps the sum of a call's windows as its state, and says it: an order or a mix-up would show."""

    window_samples = SAMPLES

    def __init__(self) -> None:
        self.runs: list[int] = []

    def initial_state(self) -> NDArray[np.float32]:
        return np.zeros(1, np.float32)

    def detect(
        self, windows: NDArray[np.float32], states: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        self.runs.append(len(windows))
        sums = states[:, 0] * 10 + (windows.mean(axis=1) * 1000).round()
        return sums, sums[:, None]


class ListeningEar:
    def __init__(self, *values: int) -> None:
        self.waiting = deque(window(value) for value in values)
        self.verdicts: list[float] = []
        self.levels: list[Levels] = []

    def next_window(self) -> Window | None:
        return self.waiting.popleft() if self.waiting else None

    def judged(self, probability: float, levels: Levels) -> bool:
        self.verdicts.append(round(probability, 3))
        self.levels.append(levels)
        return bool(self.waiting)


async def all_judged(ears: list[ListeningEar]) -> None:
    await eventually(lambda: all(len(ear.verdicts) == 2 for ear in ears), "two verdicts each")


@asynccontextmanager
async def a_loop(clock: Any, gather_s: float = 0.005) -> AsyncIterator[tuple[DetectionLoop, SummingDetector]]:
    detector = SummingDetector()
    tasks = TaskOwner("test")
    with ThreadPoolExecutor(1) as thread:
        loop = DetectionLoop(detector, thread, clock, gather_s)
        tasks.spawn(loop.run(), "loop")
        yield loop, detector
        await tasks.close()


async def test_windows_of_all_calls_go_through_one_run_each_with_its_own_state() -> None:
    ears = [ListeningEar(1, 2, 3), ListeningEar(4, 5), ListeningEar(6)]
    async with a_loop(SystemClock()) as (loop, detector):
        for ear in ears:
            loop.add(ear)
            loop.wake(ear)
        await eventually(lambda: [len(ear.verdicts) for ear in ears] == [3, 2, 1], "every verdict")
    assert [ear.verdicts for ear in ears] == [[1, 12, 123], [4, 45], [6]]
    assert detector.runs == [3, 2, 1]


async def test_a_run_after_a_pause_is_at_once_and_the_next_waits_unless_all_calls_are_there() -> None:
    clock = ManualClock()
    first, second = ListeningEar(1), ListeningEar(1)
    async with a_loop(clock, gather_s=0.005) as (loop, detector):
        loop.add(first)
        loop.add(second)
        loop.wake(first)
        await eventually(lambda: first.verdicts, "a verdict at once")
        assert detector.runs == [1]
        first.waiting.append(window(1))
        loop.wake(first)
        await clock.advance(0.004)
        assert detector.runs == [1]
        loop.wake(second)
        await clock.advance(0.002)
        await eventually(lambda: second.verdicts, "a verdict")
        assert detector.runs == [1, 2]
        loop.remove(second)
        first.waiting.append(window(1))
        loop.wake(first)  # all there are: no clock needed
        await eventually(lambda: len(first.verdicts) == 3, "a verdict at once")


async def test_a_detector_that_is_quick_needs_no_thread_and_every_codec_has_its_samples() -> None:
    ears = [ListeningEar(), ListeningEar(), ListeningEar()]
    for ear, codec in zip(ears, (Codec.PCM16, Codec.ALAW, Codec.PCM16), strict=True):
        ear.waiting.extend((window(100, codec), window(200, codec)))
    tasks = TaskOwner("test")
    loop = DetectionLoop(SummingDetector(), None, SystemClock(), 0.0)
    tasks.spawn(loop.run(), "loop")
    for ear in ears:
        loop.add(ear)
        loop.wake(ear)
    await all_judged(ears)
    await tasks.close()
    assert [ear.verdicts[0] for ear in ears] == pytest.approx([100, 100, 100], abs=4)
    for ear in ears:
        assert [level.whole for level in ear.levels] == pytest.approx([0.1, 0.2], abs=0.01)


async def test_a_call_begins_anew_where_another_was_and_there_is_room_for_any_number() -> None:
    tasks = TaskOwner("test")
    loop = DetectionLoop(SummingDetector(), None, SystemClock(), 0.0)
    tasks.spawn(loop.run(), "loop")
    for _ in range(3):
        ears = [ListeningEar(1, number % 10) for number in range(100)]
        for ear in ears:
            loop.add(ear)
            loop.wake(ear)
        await all_judged(ears)
        assert [ear.verdicts for ear in ears] == [[1, 10 + number % 10] for number in range(100)]
        for ear in ears[:70]:
            loop.remove(ear)
    await tasks.close()


async def test_who_comes_while_another_is_judged_gets_nothing_of_his() -> None:
    gone, comes = ListeningEar(7), ListeningEar(1)
    begun, go_on = threading.Event(), threading.Event()

    class SlowDetector(SummingDetector):
        def detect(
            self, windows: NDArray[np.float32], states: NDArray[np.float32]
        ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
            begun.set()
            go_on.wait(5)
            return super().detect(windows, states)

    tasks = TaskOwner("test")
    with ThreadPoolExecutor(1) as thread:
        loop = DetectionLoop(SlowDetector(), thread, SystemClock(), 0.0)
        tasks.spawn(loop.run(), "loop")
        loop.add(gone)
        loop.wake(gone)
        await eventually(begun.is_set, "the run")
        loop.remove(gone)
        loop.add(comes)
        go_on.set()
        loop.wake(comes)
        await eventually(lambda: comes.verdicts, "a verdict")
        await tasks.close()
    assert (gone.verdicts, comes.verdicts) == ([], [1])


async def test_a_call_that_was_let_go_hears_no_verdict() -> None:
    ear, other = ListeningEar(1, 2), ListeningEar(3)
    async with a_loop(SystemClock(), gather_s=0) as (loop, _):
        loop.wake(ear)  # not added yet
        loop.add(ear)
        loop.wake(ear)
        loop.remove(ear)
        loop.add(other)
        loop.wake(other)
        await eventually(lambda: other.verdicts, "a verdict")
    assert ear.verdicts == []


# -- decodes -----------------------------------------------------------------------------------------


@asynccontextmanager
async def a_batcher(
    batch_limit: int = 8, timeout_s: float = 10.0, engine: HandEngine | None = None
) -> AsyncIterator[tuple[DecodeBatcher, HandEngine, TaskOwner]]:
    engine = engine or HandEngine()
    tasks = TaskOwner("test")
    batcher = DecodeBatcher(engine, SystemClock(), batch_limit=batch_limit, timeout_s=timeout_s)
    tasks.spawn(batcher.run(), "batcher")
    yield batcher, engine, tasks
    await tasks.close()
    await batcher.close()
    assert engine.closed == 1


async def settled() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


def texts(decoded: list[Decoded]) -> list[str]:
    return [one.transcript.text for one in decoded]


async def test_what_came_while_the_engine_was_busy_is_its_next_batch() -> None:
    async with a_batcher(batch_limit=2) as (batcher, engine, tasks):
        asked = []
        for ms in (100, 200, 300, 400):
            asked.append(tasks.spawn(batcher.decode(segment(ms / 1000)), "decode"))
            await settled()
        for batch in range(3):
            await engine.begun(batch)
            engine.let(batch)
        assert texts(await asyncio.gather(*asked)) == ["100.", "200.", "300.", "400."]
        assert engine.lengths() == [[100], [200, 300], [400]]


async def test_who_gave_up_waiting_is_not_in_the_batch() -> None:
    async with a_batcher() as (batcher, engine, tasks):
        first, second, third = (tasks.spawn(batcher.decode(segment(ms / 1000)), "") for ms in (100, 200, 300))
        await settled()
        assert engine.lengths() == [[100, 200, 300]]
        fourth, fifth = (tasks.spawn(batcher.decode(segment(ms / 1000)), "") for ms in (400, 500))
        await settled()
        second.cancel()
        fourth.cancel()
        engine.let(0)
        await eventually(lambda: len(engine.gates) == 2, "the next batch")
        engine.let(1)
        assert texts(await asyncio.gather(first, third, fifth)) == ["100.", "300.", "500."]
        assert engine.lengths()[1] == [500]


async def test_a_tenant_with_many_callers_waits_for_itself() -> None:
    async with a_batcher(batch_limit=1) as (batcher, engine, tasks):
        asked = [tasks.spawn(batcher.decode(segment(ms / 1000), "loud"), "") for ms in (100, 110, 120, 130)]
        asked.append(tasks.spawn(batcher.decode(segment(0.2), "quiet"), ""))
        for batch in range(5):
            await engine.begun(batch)
            engine.let(batch)
        await asyncio.gather(*asked)
        assert engine.lengths() == [[100], [200], [110], [120], [130]]


async def test_a_batch_is_no_longer_than_the_latency_budget() -> None:
    clock, engine, tasks = ManualClock(), HandEngine(), TaskOwner("test")
    batcher = DecodeBatcher(engine, clock, batch_limit=8, timeout_s=10, budget_s=0.4)
    tasks.spawn(batcher.run(), "batcher")
    asked = [tasks.spawn(batcher.decode(segment(1.0)), "")]
    await engine.begun(0)
    asked += [tasks.spawn(batcher.decode(segment(1.0)), "") for _ in range(7)]
    await settled()
    clock.tick(0.15)  # so long takes a second of speech: two fit the budget
    for batch in range(5):
        engine.let(batch)
        if batch < 4:
            await engine.begun(batch + 1)
            clock.tick(0.3 if batch < 3 else 0.15)
    await asyncio.gather(*asked)
    assert [len(batch) for batch in engine.batches] == [1, 2, 2, 2, 1]
    await tasks.close()


async def test_the_meter_learns_how_long_who_waited() -> None:
    async with a_batcher(batch_limit=1) as (batcher, engine, tasks):
        asked = [tasks.spawn(batcher.decode(segment(0.1)), "") for _ in range(6)]
        for batch in range(6):
            await engine.begun(batch)
            await asyncio.sleep(0.005)
            engine.let(batch)
        await asyncio.gather(*asked)
        await settled()
        assert 0.02 < batcher.meter.wait_s < 5
        assert 0 < batcher.meter.utilisation <= 1.01


async def test_a_glance_is_only_taken_while_the_engine_is_idle() -> None:
    async with a_batcher() as (batcher, engine, tasks):
        decode = tasks.spawn(batcher.decode(segment(0.1)), "decode")
        assert await asyncio.wait_for(batcher.glance(segment(0.2)), 20) is None
        await settled()
        assert await asyncio.wait_for(batcher.glance(segment(0.2)), 20) is None
        engine.let(0)
        await decode
        await settled()
        glance = tasks.spawn(batcher.glance(segment(0.2)), "glance")
        await settled()
        assert await asyncio.wait_for(batcher.glance(segment(0.3)), 20) is None
        engine.let(1)
        decoded = await glance
        assert decoded is not None
        assert decoded.transcript.text == "200."


async def test_a_decode_does_not_wait_for_a_glance() -> None:
    async with a_batcher() as (batcher, engine, tasks):
        glance = tasks.spawn(batcher.glance(segment(0.2)), "glance")
        await settled()
        decode = tasks.spawn(batcher.decode(segment(0.1)), "decode")
        await settled()
        engine.let(1)
        assert (await decode).transcript.text == "100."
        glance.cancel()
        await settled()
        assert await batcher.glance(segment(0.3)) is None  # the engine is still at the first one
        engine.let(0)
        await eventually(lambda: batcher._glance is None, "the engine to be idle")


async def test_one_segment_that_cannot_be_decoded_fails_alone() -> None:
    async with a_batcher() as (batcher, engine, tasks):
        engine.errors[200] = EngineRejected("not this one")
        asked = [tasks.spawn(batcher.decode(segment(ms / 1000)), "decode") for ms in (100, 200, 300)]
        for batch in range(4):
            await engine.begun(batch)
            engine.let(batch)
        first, second, third = await asyncio.gather(*asked, return_exceptions=True)
        assert isinstance(first, Decoded)
        assert isinstance(third, Decoded)
        assert isinstance(second, EngineRejected)


async def test_an_engine_that_does_not_answer_has_timed_out() -> None:
    async with a_batcher(timeout_s=0.02) as (batcher, engine, _):
        with pytest.raises(EngineTimeout, match="TIMEOUT_S"):
            await batcher.decode(segment())
        with pytest.raises(EngineTimeout):
            await batcher.glance(segment())
        assert len(engine.batches) == 2


async def test_what_an_engine_should_not_raise_is_a_fault_of_its_own() -> None:
    async with a_batcher() as (batcher, engine, tasks):
        engine.errors[1000] = ZeroDivisionError("oops")
        decode = tasks.spawn(batcher.decode(segment()), "decode")
        await settled()
        engine.let(0)
        with pytest.raises(EngineFault, match="ZeroDivisionError") as raised:
            await decode
        assert raised.value.retryable
