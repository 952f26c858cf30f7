"""A replay with somebody who watches it, and the report of both."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

from runtime.clock import Clock
from runtime.tasks import TaskOwner
from trunkline.inventory import installed_versions
from trunkline.machine import describe_machine
from trunkline.replaying.replay import Replay
from trunkline.replaying.report import ReplayReport, for_report, stages_now, stages_then
from trunkline.reports.drops import during, read_drops
from trunkline.reports.observing import Observer, leg_drops
from trunkline.reports.platform import Platform
from trunkline.reports.watching import Watch


async def measured(
    replay: Replay, observer: Observer, plan: Mapping[str, Any], platform: Platform, clock: Clock
) -> ReplayReport:
    """Run it, and report what came of it and what `platform` spent on it."""
    machine, dropped = describe_machine(), await read_drops(platform.health_ports)
    at, began_us = datetime.now(UTC).isoformat(timespec="seconds"), clock.now_us()
    watch, tasks = Watch(platform.pids, clock, replay.going), TaskOwner("watch")
    watch.begin()
    tasks.spawn(watch.run(), "watch")
    try:
        calls = await replay.run()
    finally:
        await tasks.close()
    watch.look()
    events = (event for call in calls for event in observer.events(call.carrier_call_id))
    return ReplayReport(
        version=version("trunkline"),
        at=at,
        plan={**plan, "calls": len(calls)},
        machine_before=machine,
        machine_after=describe_machine(),
        samples=tuple(watch.samples),
        stages_ms=stages_now(calls),
        leg_drops=leg_drops(events, began_us),
        dropped=during(dropped, await read_drops(platform.health_ports)),
        versions=installed_versions(),
        recorded_ms=stages_then(calls),
        calls=tuple(for_report(call) for call in calls),
    )
