"""Whether anything grows while calls come and go for half an hour.

    python -m bench.soak [--minutes 30] [--calls 120] [--out bench/results/soak.json]

Callers of the fixed density workload come one after the other, so that about `--calls` are on the line all
the time and some thousands have come and gone at the end. Every ten seconds everything that could leak is
counted: memory, open files, threads and event-loop tasks of every process; subscriptions at NATS; KV entries
(a call that is over leaves a marker in its bucket for a minute).
The middle of the second quarter of the run is held against that of the last; at the end, with no calls, every
slot must be free.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import random
import tempfile
import time
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Final

import uvloop

from bench.chaos.record import calls_holding_slots
from bench.density import make_room
from bench.figures import Figures
from bench.machine import describe_machine
from runtime.clock import SystemClock
from trunkline.bus_client import open_bus
from trunkline.load.plan import Arrival, LoadPlan, Number
from trunkline.load.report import HEARD_OUT, CallRecord
from trunkline.load.run import LoadRun
from trunkline.load.script import FIXED_PATTERN, parse_pattern
from trunkline.local_platform import LocalPlatform, Options
from trunkline.reports.processes import usages
from trunkline.reports.samples import spread

NUMBER: Final = "+15550199"
TALK_S: Final = 40.0
LOOK_S: Final = 10.0
MINUTE_LOOKS: Final = 6
KV: Final = "KV_"
SETTLES_S: Final = 5.0
FREED_WITHIN_S: Final = 30.0
TASKS_METRIC: Final = "trunkline_loop_tasks"


@dataclass(slots=True)
class Series:
    """What was counted over time, by name of the process and of the thing."""

    points: dict[str, list[float]] = field(default_factory=dict)

    def add(self, name: str, value: float) -> None:
        self.points.setdefault(name, []).append(value)

    def thinned(self, every: int) -> dict[str, list[float]]:
        """One value of so many, the last of each."""
        return {name: values[every - 1 :: every] for name, values in self.points.items()}

    def growth(self) -> dict[str, dict[str, float]]:
        """The middle of the second quarter, that of the last, and their ratio."""
        found = {}
        for name, values in self.points.items():
            quarter = len(values) // 4
            if not quarter:
                continue
            early, late = median(values[quarter : 2 * quarter]), median(values[-quarter:])
            found[name] = {
                "early": round(early, 2),
                "late": round(late, 2),
                "ratio": round(late / early, 3) if early else 1.0 if not late else float("inf"),
            }
        return found


def fetch(url: str) -> str:
    with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310  # our own loopback ports
        return str(answer.read().decode())


def look(platform: LocalPlatform, series: Series) -> None:
    """Count everything once; runs on a thread."""
    processes = {one.name: one for one in platform.state.processes}
    for name, used in usages({name: one.pid for name, one in processes.items()}).items():
        series.add(f"{name} memory_mb", used.memory_mb)
    for name, one in processes.items():
        proc = Path("/proc") / str(one.pid)
        series.add(f"{name} files", count(proc / "fd"))
        series.add(f"{name} threads", count(proc / "task"))
        if one.health_port is not None:
            series.add(f"{name} tasks", loop_tasks(fetch(f"http://127.0.0.1:{one.health_port}/metrics")))
    monitor = platform.state.nats_monitor_url
    series.add("nats subscriptions", json.loads(fetch(f"{monitor}/subsz"))["num_subscriptions"])
    for stream, messages in stored(fetch(f"{monitor}/jsz?accounts=true&streams=true")).items():
        if stream.startswith(KV):
            series.add(f"{stream} entries", messages)


def stored(jsz: str) -> dict[str, int]:
    """How many messages each stream holds, from the monitor's page. In a bucket that is a message a key; one
    that was removed leaves a marker for a while.
    """
    accounts = json.loads(jsz).get("account_details", [])
    streams = (stream for account in accounts for stream in account.get("stream_detail", []))
    return {stream["name"]: stream["state"]["messages"] for stream in streams}


def count(folder: Path) -> int:
    return sum(1 for _ in folder.iterdir())


def loop_tasks(metrics: str) -> float:
    """The tasks of a process's event loop, from its metrics page."""
    lines = [line for line in metrics.splitlines() if line.startswith(TASKS_METRIC)]
    return sum(float(line.rpartition(" ")[2]) for line in lines)


async def run(arguments: argparse.Namespace, home: Path, figures: Figures) -> None:
    series = Series()
    options = Options(home=home, port=0, spread=True, local_llm=False, open_loopback=True)
    async with LocalPlatform(options) as platform, open_bus(platform.state.bus_url) as bus:
        await asyncio.sleep(SETTLES_S)
        ends_s = time.monotonic() + arguments.minutes * 60
        records: list[CallRecord] = []
        watching = asyncio.ensure_future(_watch(platform, series, figures))
        waves = [
            asyncio.ensure_future(_wave(platform.state.media_url, share, ends_s, records))
            for share in _shares(arguments.calls)
        ]
        await asyncio.gather(*waves)
        watching.cancel()
        held = await calls_holding_slots(bus)
        for _ in range(round(FREED_WITHIN_S)):
            if not held:
                break
            await asyncio.sleep(1.0)
            held = await calls_holding_slots(bus)
    turns = [turn for record in records for turn in record.turns]
    figures.put(
        calls=len(records),
        calls_broken=sum(record.ending != HEARD_OUT for record in records),
        turns_expected=sum(record.expected for record in records),
        turns_answered=sum(turn.waited_ms is not None for turn in turns),
        waited_ms=spread([turn.waited_ms for turn in turns if turn.waited_ms is not None]).model_dump(),
        slots_held_at_the_end=held,
    )


async def _watch(platform: LocalPlatform, series: Series, figures: Figures) -> None:
    for looks in itertools.count(1):
        await asyncio.sleep(LOOK_S)
        await asyncio.to_thread(look, platform, series)
        figures.put(looks=looks, growth=series.growth(), seen_a_minute=series.thinned(MINUTE_LOOKS))


def _shares(calls: int) -> list[int]:
    """Waves of callers that overlap, so that some always come while others leave."""
    waves = min(4, calls)
    return [calls // waves + (index < calls % waves) for index in range(waves)]


async def _wave(url: str, calls: int, ends_s: float, records: list[CallRecord]) -> None:
    clock, rng = SystemClock(), random.Random()
    await asyncio.sleep(rng.uniform(0, 10))
    while time.monotonic() < ends_s:
        plan = LoadPlan(
            url,
            (Number(NUMBER),),
            calls,
            Arrival.CONSTANT,
            10.0,
            parse_pattern(FIXED_PATTERN),
            TALK_S,
        )
        report = await LoadRun(plan, clock, rng, pids={}).run()
        records.extend(report.calls)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--calls", type=int, default=120)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    make_room()
    head = {**describe_machine(), "minutes": arguments.minutes, "calls_at_once": arguments.calls}
    figures = Figures(arguments.out, "bench.soak", **head)
    with tempfile.TemporaryDirectory() as folder:
        uvloop.run(run(arguments, Path(folder), figures))
    figures.show()


if __name__ == "__main__":
    main()
