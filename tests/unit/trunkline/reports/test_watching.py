from __future__ import annotations

import asyncio
import os

from tests.support.clock import ManualClock
from trunkline.reports.samples import Sample
from trunkline.reports.watching import Going, Watch


async def test_a_look_a_second_from_the_beginning_on() -> None:
    clock, seen = ManualClock(), list[Sample]()
    calls = iter(range(10))
    watch = Watch({"me": os.getpid()}, clock, lambda: Going(next(calls), 5, 1), seen.append)
    await clock.advance(7)
    watch.begin()
    looking = asyncio.ensure_future(watch.run())
    await clock.advance(2.5)
    looking.cancel()
    watch.look()
    assert [sample.at_s for sample in watch.samples] == [0, 1, 2, 2.5]
    assert [sample.calls for sample in watch.samples] == [0, 1, 2, 3]
    assert watch.samples == seen
    assert all(sample.cpu_s["me"] > 0 and sample.memory_mb["me"] > 1 for sample in seen)
    assert {(sample.spurts, sample.broken) for sample in seen} == {(5, 1)}
