"""A load run, and what the platform itself says of it once it is over: its record, and its drops.

Afterwards, because to read along would take from the machine that is being measured.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Final

from runtime.bus import Bus
from runtime.clock import Clock
from trunkline.bus_client import open_bus
from trunkline.load.report import CallRecord, LoadReport
from trunkline.load.run import LoadRun
from trunkline.recording.conversation import conversation_of
from trunkline.reports.drops import during, read_drops
from trunkline.reports.observing import Observer, leg_drops
from trunkline.reports.platform import Platform
from trunkline.reports.report import by_stage

_READ_WITHIN_S: Final = 20.0
_CLOCKS_DIFFER_BY: Final = timedelta(seconds=10)


async def measured(run: LoadRun, platform: Platform, nats_url: str, clock: Clock) -> LoadReport:
    """Run it; with `nats_url`, read the record of its calls there. Raises BusUnavailable."""
    dropped, began_us = await read_drops(platform.health_ports), clock.now_us()
    report = await run.run()
    report = report.model_copy(update={"dropped": during(dropped, await read_drops(platform.health_ports))})
    if not nats_url:
        return report
    async with open_bus(nats_url) as bus:
        return await with_record(report, bus, began_us)


async def with_record(report: LoadReport, bus: Bus, began_us: int) -> LoadReport:
    """The report with what the stream has of its calls; those without an end on record are waited for."""
    observer = Observer(bus)
    answered = [call.carrier_call_id for call in report.calls if _was_up(call)]
    for call in report.calls:
        observer.expect(call.carrier_call_id)
    await observer.start(datetime.fromtimestamp(began_us / 1_000_000, UTC) - _CLOCKS_DIFFER_BY)
    with suppress(TimeoutError):
        async with asyncio.timeout(_READ_WITHIN_S):
            for one in answered:
                await observer.ended(one, _READ_WITHIN_S)
    events = [observer.events(call.carrier_call_id) for call in report.calls]
    turns = (turn.stages for one in events for turn in conversation_of(one).turns)
    drops = leg_drops((event for one in events for event in one), began_us)
    return report.model_copy(update={"stages_ms": by_stage(turns), "leg_drops": drops})


def _was_up(call: CallRecord) -> bool:
    return call.frames_heard > 0
