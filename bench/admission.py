"""How fast one session process admits calls, with every admission in KV, and how long a caller waits for it.

    python -m bench.admission [--seconds 10] [--rate 100] [--race 10000] [--out bench/results/admission.json]

A real nats-server and a real session process. This process stands where gateway and workers stand: it opens
a call (one request), is asked to take it as stt, llm and tts (three requests), says that it has started and
then that it has ended; so a call counted here was assigned, written to KV, ended, struck from KV and is in
the record. `--race` adds `bench.admission_race`: no limit is exceeded by one call while leaders are killed.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import tempfile
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
import uvloop

from bench.admission_race import race
from bench.figures import Figures
from bench.floor import GATEWAY, LEFT, SessionProcess, a_number, open_bus, publish_numbers, staff, started
from bench.machine import describe_machine
from contracts.channels import CALL_ENDED, SESSION_OPEN
from contracts.identities import CallRef, uuid7
from contracts.messages import Event, OpenCall, OpenCallReply
from runtime.bus import Bus
from runtime.tasks import TaskOwner
from trunkline.nats_server import NatsServer

AT_ONCE: Final = 64
WARM_UP_S: Final = 2.0
NUMBERS: Final = [a_number(f"+1555{7000 + i}", f"tenant-{i % 10}", 10_000, 10_000) for i in range(50)]


class Callers:
    """Opens calls and ends them, and remembers how long each had to wait for its answer."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._rng = random.Random(1)
        self._over: dict[str, asyncio.Event] = {}
        self.waited_ms: list[float] = []
        self.refused = 0

    async def listen(self) -> Self:
        """Hear which calls are over."""

        async def note(event: Event[Any]) -> None:
            if over := self._over.pop(event.call, None):
                over.set()

        await self._bus.on_every_call(note, CALL_ENDED)
        return self

    async def call(self) -> None:
        """One call: opened, started, ended, and said to be over."""
        number = self._rng.choice(NUMBERS)
        request = OpenCall(
            call=uuid7(time.time_ns() // 1_000_000, self._rng),
            called=number.number,
            caller="+15550142",
            carrier_call_id="CA1",
            gateway=GATEWAY,
        )
        asked = time.perf_counter()
        reply = await self._bus.request(SESSION_OPEN, request, OpenCallReply, timeout_s=10)
        self.waited_ms.append((time.perf_counter() - asked) * 1000)
        if reply.error is not None:
            self.refused += 1
            return
        ref = CallRef(number.tenant, request.call)
        await self._bus.publish_event(ref, started(request, number))
        over = self._over[request.call] = asyncio.Event()
        await self._bus.publish_event(ref, LEFT)
        await over.wait()


async def as_many_as_possible(callers: Callers, seconds: float) -> None:
    """`AT_ONCE` callers, each of whom calls again as soon as the call is over."""
    until = time.perf_counter() + seconds

    async def one_after_the_other() -> None:
        while time.perf_counter() < until:
            await callers.call()

    await asyncio.gather(*(one_after_the_other() for _ in range(AT_ONCE)))


async def at_a_rate(callers: Callers, seconds: float, rate: float) -> None:
    """Calls at random moments, `rate` a second on average, whether or not the last one is answered."""
    rng = random.Random(2)
    due, until = time.perf_counter(), time.perf_counter() + seconds
    async with asyncio.TaskGroup() as group:
        while due < until:
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            group.create_task(callers.call())
            due += rng.expovariate(rate)


async def measured(
    bus: Bus, pids: dict[str, int], load: Callable[[Callers, float], Any], seconds: float
) -> dict[str, object]:
    """Warm up, then put on `load` for so long; admissions, waiting times and cores used."""
    await load(await Callers(bus).listen(), WARM_UP_S)
    callers = await Callers(bus).listen()
    cpu_s = {name: process_cpu_s(pid) for name, pid in pids.items()}
    began = time.perf_counter()
    await load(callers, seconds)
    took_s = time.perf_counter() - began
    waited = np.array(callers.waited_ms)
    return {
        "calls": len(waited),
        "refused": callers.refused,
        "per_s": round(len(waited) / took_s, 1),
        "p50_ms": round(float(np.percentile(waited, 50)), 2),
        "p99_ms": round(float(np.percentile(waited, 99)), 2),
        "max_ms": round(float(waited.max()), 2),
        **{
            f"{name}_cores": round((process_cpu_s(pid) - cpu_s[name]) / took_s, 2)
            for name, pid in pids.items()
        },
    }


def process_cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def measure(server: NatsServer, seconds: float, rate: float) -> dict[str, object]:
    async with AsyncExitStack() as stack:
        bus = await stack.enter_async_context(open_bus(server.url, "bench"))
        workers = await stack.enter_async_context(open_bus(server.url, "workers"))
        tasks = TaskOwner("bench")
        stack.push_async_callback(tasks.close)
        await publish_numbers(bus, NUMBERS)
        await staff(workers, tasks, capacity=100_000)
        session = await SessionProcess.start(server.url)
        stack.push_async_callback(session.kill)
        pids = {"session": session.pid, "bench": os.getpid()}
        return {
            "most": await measured(bus, pids, as_many_as_possible, seconds),
            "at_rate": {
                "rate": rate,
                **await measured(bus, pids, lambda callers, s: at_a_rate(callers, s, rate), seconds),
            },
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seconds", type=float, default=10.0, help="measured time a run")
    parser.add_argument("--rate", type=float, default=100.0, help="calls a second, for the waiting times")
    parser.add_argument("--race", type=int, default=0, help="racing admissions, with leaders killed")
    parser.add_argument("--out", type=Path, help="write the figures here as JSON")
    arguments = parser.parse_args()
    figures = Figures(arguments.out, "bench.admission", **describe_machine())
    with tempfile.TemporaryDirectory() as folder, NatsServer(Path(folder)) as server:
        figures.put(**uvloop.run(measure(server, arguments.seconds, arguments.rate)))
    if arguments.race:
        with tempfile.TemporaryDirectory() as folder, NatsServer(Path(folder)) as server:
            figures.put(race=uvloop.run(race(server.url, arguments.race, kills=3)).summary())
    figures.show()


if __name__ == "__main__":
    main()
