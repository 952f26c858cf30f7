"""Round trip of audio frames over a real nats-server: what the bus adds to every frame of a call.

    python -m bench.bus [--calls 100,300,500] [--seconds 10] [--out bench/results/bus.json]

One process stands where the gateway stands and sends a 20 ms frame for every call, offsets spread over the
frame period; another stands where a worker stands, has one wildcard subscription, and sends each frame
back. Both use `runtime.bus` as the services do. Run on a quiet machine: the load beside the figures says
whether it was one.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import uvloop

from bench.figures import Figures
from bench.machine import describe_machine
from contracts.channels import AGENT_AUDIO, CALLER_AUDIO
from contracts.frames import FRAME_MS, Codec, Frame
from contracts.identities import CallRef, uuid7
from runtime.bus import Bus
from runtime.clock import SystemClock
from runtime.connection import connect
from runtime.settings import ProcessSettings
from runtime.tasks import TaskOwner
from runtime.telemetry import Telemetry
from trunkline.nats_server import NatsServer

PAYLOAD = bytes(range(160))
WARM_UP_S = 2.0
CORES = ("gateway_cores", "worker_cores", "nats_cores")


async def open_bus(url: str, name: str) -> Bus:
    settings = ProcessSettings(nats_url=url)
    client = await connect(settings, name)
    metrics = Telemetry(name).metrics(name)
    return Bus(client, SystemClock(), random.Random(1), metrics, TaskOwner(name))


async def echo(url: str) -> None:
    """The worker's side: every frame goes back to the gateway until standard input closes."""
    bus = await open_bus(url, "echo")
    subjects: dict[CallRef, str] = {}
    waiting: list[tuple[str, Frame]] = []
    arrived = asyncio.Event()

    def receive(ref: CallRef, frame: Frame) -> None:
        if ref not in subjects:
            subjects[ref] = AGENT_AUDIO.subject(process="gateway", tenant=ref.tenant, call=ref.call)
        waiting.append((subjects[ref], frame))
        arrived.set()

    await bus.on_frames("echo", receive)
    await bus.client.flush()
    print("ready", flush=True)
    closed = asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    closed.add_done_callback(lambda _: arrived.set())
    while not closed.done():
        await arrived.wait()
        arrived.clear()
        batch, waiting[:] = waiting[:], []
        for subject, frame in batch:
            bus.send_frame(subject, frame)
    await bus.client.close()
    print(json.dumps({"cpu_s": cpu_s(resource.RUSAGE_SELF)}), flush=True)


def cpu_s(who: int) -> float:
    usage = resource.getrusage(who)
    return usage.ru_utime + usage.ru_stime


def process_cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def send_frames(bus: Bus, calls: int, seconds: float) -> tuple[list[float], int]:
    """Send `seconds` of audio for every call; the round trips in ms, and how many frames never came back."""
    rng = random.Random(calls)
    refs = [CallRef("bench", uuid7(1_700_000_000_000 + i, rng)) for i in range(calls)]
    subjects = [CALLER_AUDIO.subject(process="echo", tenant=ref.tenant, call=ref.call) for ref in refs]
    trips_ms: list[float] = []
    measured_from_ns = time.perf_counter_ns() + int(WARM_UP_S * 1e9)

    def receive(_: CallRef, frame: Frame) -> None:
        if frame.at_us * 1000 >= measured_from_ns:
            trips_ms.append((time.perf_counter_ns() / 1000 - frame.at_us) / 1000)

    subscription = await bus.on_frames("gateway", receive)
    sent = 0
    started_s = time.perf_counter()
    slots = int((seconds + WARM_UP_S) * 1000 / FRAME_MS)
    # Ten groups a frame period: spread as calls are, without a timer for each call.
    for slot in range(slots * 10):
        await asyncio.sleep(max(0.0, started_s + slot * FRAME_MS / 10_000 - time.perf_counter()))
        for index in range(slot % 10, calls, 10):
            at_us = time.perf_counter_ns() // 1000
            sent += at_us * 1000 >= measured_from_ns
            bus.send_frame(subjects[index], Frame(Codec.MULAW, 8000, slot // 10, at_us, PAYLOAD))
    await asyncio.sleep(0.5)
    await subscription.unsubscribe()
    return trips_ms, sent - len(trips_ms)


def measure(server: NatsServer, calls: int, seconds: float) -> dict[str, float]:
    command = [sys.executable, "-m", "bench.bus", "--echo", server.url]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as worker:
        assert worker.stdin is not None
        assert worker.stdout is not None
        assert worker.stdout.readline() == "ready\n"
        row = uvloop.run(measure_gateway(server, calls, seconds))
        worker.stdin.close()
        worker_s = json.loads(worker.stdout.readline())["cpu_s"]
    return {**row, "worker_cores": round(worker_s / (seconds + WARM_UP_S), 2)}


async def measure_gateway(server: NatsServer, calls: int, seconds: float) -> dict[str, float]:
    bus = await open_bus(server.url, "gateway")
    assert server.pid is not None
    own_s, server_s, started_s = cpu_s(resource.RUSAGE_SELF), process_cpu_s(server.pid), time.monotonic()
    trips_ms, lost = await send_frames(bus, calls, seconds)
    elapsed_s = time.monotonic() - started_s
    gateway_s, nats_s = cpu_s(resource.RUSAGE_SELF) - own_s, process_cpu_s(server.pid) - server_s
    await bus.client.close()
    p50, p95, p99 = np.percentile(trips_ms, [50, 95, 99])
    return {
        "calls": calls,
        "frames": len(trips_ms),
        "lost": lost,
        "p50_ms": round(float(p50), 2),
        "p95_ms": round(float(p95), 2),
        "p99_ms": round(float(p99), 2),
        "max_ms": round(max(trips_ms), 2),
        "gateway_cores": round(gateway_s / elapsed_s, 2),
        "nats_cores": round(nats_s / elapsed_s, 2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--calls", default="100,300,500", help="how many calls, one run each")
    parser.add_argument("--seconds", type=float, default=10.0, help="measured time a run")
    parser.add_argument("--out", type=Path, help="write the figures here as JSON")
    parser.add_argument("--echo", metavar="URL", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.echo:
        uvloop.run(echo(arguments.echo))
        return
    rows: list[dict[str, float]] = []
    figures = Figures(arguments.out, "bench.bus", **describe_machine())
    columns = ("calls", "p50_ms", "p95_ms", "p99_ms", "max_ms", "lost", *CORES)
    print("  ".join(columns))
    with tempfile.TemporaryDirectory() as folder, NatsServer(Path(folder)) as server:
        for calls in (int(text) for text in arguments.calls.split(",")):
            row = measure(server, calls, arguments.seconds)
            rows.append(row)
            figures.put(rows=rows)
            print("  ".join(f"{row[column]:>{len(column)}}" for column in columns), flush=True)


if __name__ == "__main__":
    main()
