"""How long after a change through REST the next call is answered by it.

    python -m bench.config_visibility [--changes 200] [--out bench/results/config_visibility.json]

A nats-server, router on SQLite and REST, each a process of its own as in production. A tenant's owner changes
the greeting of a number; the clock runs from the moment the request leaves until the changed snapshot is
handed over by a watch of the bucket, which is how session learns of it and keeps it for the next call.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import httpx

from bench.figures import Figures
from bench.machine import describe_machine
from contracts import messages as m
from contracts.channels import ROUTER_KEYS
from contracts.streams import ASSISTANTS_BUCKET
from runtime.bus import Bus
from runtime.errors import RequestTimeout
from runtime.storage import Bucket
from trunkline.bus_client import open_bus
from trunkline.nats_server import NatsServer, free_port

NUMBER = "+12025550123"
TARGET_MS = 1000.0
CONFIG = {"name": "Desk", "greeting": "Good morning.", "prompt": "Be brief."}
START_S = 30.0


@contextmanager
def services(nats_url: str, home: Path, rest_port: int) -> Iterator[None]:
    """Router and REST, until the end of the block."""
    tenants = home / "tenants.yaml"
    tenants.write_text("tenants: {}\n", encoding="utf-8")
    environment = {
        **os.environ,
        "TRUNKLINE_NATS_URL": nats_url,
        "TRUNKLINE_HOME": str(home),
        "TRUNKLINE_ROUTER_TENANTS_FILE": str(tenants),
        "TRUNKLINE_REST_PORT": str(rest_port),
        "TRUNKLINE_REST_REQUESTS_PER_MINUTE": "1000000",
        "TRUNKLINE_LOG_LEVEL": "warning",
    }
    names = ("router_service", "gateway_service.rest")
    processes = [subprocess.Popen([sys.executable, "-m", name], env=environment) for name in names]
    try:
        yield
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait(15)


async def admin_key(bus: Bus, url: str) -> str:
    """A key of the platform's, once router and REST answer; raises TimeoutError."""
    asked = m.KeysRequest(
        principal=m.Principal(subject="bench", admin=True), operation=m.CreateKey(label="bench")
    )
    async with asyncio.timeout(START_S), httpx.AsyncClient(base_url=url) as http:
        while True:
            try:
                (await http.get("/v1/health/ready")).raise_for_status()
                made = await bus.request(ROUTER_KEYS, asked, m.KeysReply, timeout_s=5)
                return made.secret or ""
            except (httpx.HTTPError, RequestTimeout):
                await asyncio.sleep(0.1)


@asynccontextmanager
async def owner_of_a_number(bus: Bus, url: str) -> AsyncIterator[httpx.AsyncClient]:
    """REST as somebody who owns NUMBER, once router and REST answer."""
    admin = {"X-API-Key": await admin_key(bus, url)}
    query = {"tenant": "bench"}
    async with httpx.AsyncClient(base_url=url, headers=admin) as http:
        for path, body in (
            ("/v1/tenants", {"slug": "bench", "name": "Bench"}),
            ("/v1/assistants?tenant=bench", {"id": "desk", "config": CONFIG}),
            ("/v1/numbers?tenant=bench", {"number": NUMBER, "assistant": "desk"}),
        ):
            (await http.post(path, json=body)).raise_for_status()
        key = await http.post("/v1/keys", params=query, json={"label": "bench", "role": "owner"})
    async with httpx.AsyncClient(base_url=url, headers={"X-API-Key": key.json()["secret"]}) as http:
        yield http


async def measure(nats_url: str, rest_port: int, changes: int) -> dict[str, dict[str, float]]:
    """Change the greeting again and again."""
    seen: dict[str, float] = {}
    arrived = asyncio.Event()

    async def on_change(_: str, snapshot: m.NumberSnapshot | None) -> None:
        if snapshot is not None:
            seen[snapshot.assistant.greeting] = time.monotonic()
            arrived.set()

    visible_ms, answered_ms = [], []
    async with (
        open_bus(nats_url) as bus,
        owner_of_a_number(bus, f"http://127.0.0.1:{rest_port}") as http,
    ):
        bucket = await Bucket.open(bus, ASSISTANTS_BUCKET, m.NumberSnapshot)
        caught_up = asyncio.Event()
        watching = asyncio.create_task(bucket.watch(on_change, caught_up.set))
        await caught_up.wait()
        path = "/v1/numbers/%2B" + NUMBER.removeprefix("+")
        for at in range(changes):
            greeting = f"Greeting {at}."
            began_s = time.monotonic()
            answer = await http.patch(path, json={"override": {"greeting": greeting}})
            answer.raise_for_status()
            answered_ms.append((time.monotonic() - began_s) * 1000)
            async with asyncio.timeout(10):
                while greeting not in seen:
                    arrived.clear()
                    await arrived.wait()
            visible_ms.append((seen[greeting] - began_s) * 1000)
        watching.cancel()
    return {"visible_ms": summary(visible_ms), "answered_ms": summary(answered_ms)}


def summary(values: list[float]) -> dict[str, float]:
    """Median, 99th percentile and worst."""
    percentiles = statistics.quantiles(values, n=100, method="inclusive")
    figures = {"median": percentiles[49], "p99": percentiles[98], "worst": max(values)}
    return {name: round(value, 1) for name, value in figures.items()}


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--changes", type=int, default=200)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    figures = Figures(options.out, "bench.config_visibility", **describe_machine(), changes=options.changes)
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        with NatsServer(home / "nats") as server, services(server.url, home, port):
            measured = asyncio.run(measure(server.url, port, options.changes))
    reached = measured["visible_ms"]["worst"] <= TARGET_MS
    figures.put(**measured, target_ms=TARGET_MS, reached=reached)
    figures.show()


if __name__ == "__main__":
    main()
