from __future__ import annotations

import asyncio
import random

from runtime.clock import SystemClock
from runtime.settings import ProcessSettings
from tests.support.context import service_context
from tests.unit.trunkline.replaying.samples import recorded_call
from trunkline.ports import free_ports
from trunkline.replaying.legs import Fate
from trunkline.replaying.plan import plan_calls
from trunkline.replaying.replay import Replay, Target
from trunkline.reports.observing import Observer


async def test_a_gateway_that_is_not_there_fails_every_call_at_once(nats_url: str) -> None:
    (port,) = free_ports(1)
    plan = plan_calls([recorded_call()], 2, 1.0, spread_s=0)
    async with service_context(ProcessSettings(nats_url=nats_url), "trunkline") as context:
        observer = Observer(context.bus)
        await observer.start()
        replay = Replay(plan, Target(f"ws://127.0.0.1:{port}/x"), observer, SystemClock(), random.Random(1))
        async with asyncio.timeout(30):  # the record is not waited for
            results = await replay.run()
    assert [result.leg.fate for result in results] == [Fate.FAILED, Fate.FAILED]
    assert all("nobody answers" in result.leg.detail for result in results)
    assert not any(result.ok for result in results)
    assert replay.under_way == 0
