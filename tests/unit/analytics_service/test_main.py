"""The service as its own process: killed, ended, started again."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from contracts.streams import CALLS
from runtime.bus import Bus
from runtime.settings import ProcessSettings
from tests.support.context import service_context
from tests.unit.analytics_service.asking import publish, reply_to, rows_of, until_acknowledged, until_rows
from tests.unit.analytics_service.stories import EVENTS_TOLD, call_ref, whole_call

ROOT = Path(__file__).parents[3]
CALLS_TOLD = 75
EVENTS = CALLS_TOLD * EVENTS_TOLD  # 2025


class ServiceProcess:
    """`python -m analytics_service` with its home in `folder`."""

    def __init__(self, nats_url: str, folder: Path, **settings: str) -> None:
        self._folder = folder
        self._environment = {
            **os.environ,
            "TRUNKLINE_NATS_URL": nats_url,
            "TRUNKLINE_HOME": str(folder),
            "TRUNKLINE_ANALYTICS_BATCH_EVENTS": "100",
            "TRUNKLINE_ANALYTICS_BATCH_S": "0.2",
            "TRUNKLINE_ANALYTICS_ACK_WAIT_S": "2",
            **settings,
        }
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with (self._folder / "analytics.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "analytics_service"],
                cwd=ROOT,
                env=self._environment,
                stdout=log,
                stderr=log,
            )

    def end(self, with_signal: signal.Signals) -> int:
        """Send the signal and wait; the exit status."""
        assert self._process is not None
        self._process.send_signal(with_signal)
        return self._process.wait(timeout=20)

    @property
    def log(self) -> str:
        return (self._folder / "analytics.log").read_text()

    def close(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()


@pytest.fixture
def process(nats_url: str, tmp_path: Path) -> Iterator[ServiceProcess]:
    process = ServiceProcess(nats_url, tmp_path)
    yield process
    process.close()


@pytest.fixture
async def bus(nats_url: str) -> AsyncIterator[Bus]:
    async with service_context(ProcessSettings(nats_url=nats_url), "caller") as context:
        yield context.bus


async def test_a_process_killed_in_the_middle_loses_and_repeats_nothing(
    process: ServiceProcess, bus: Bus
) -> None:
    told = [one for number in range(CALLS_TOLD) for one in whole_call(call_ref(number)).told]
    process.start()
    await until_rows(bus, "SELECT 1 AS up", [{"up": 1}])
    publishing = asyncio.create_task(publish(bus, told))
    await until_rows(bus, f"SELECT count() > 0 AND count() < {EVENTS} AS amid FROM events", [{"amid": 1}])
    assert process.end(signal.SIGKILL) == -signal.SIGKILL
    await publishing
    assert (await bus.jetstream.stream_info(CALLS.name)).state.messages == EVENTS
    left = await bus.jetstream.consumer_info(CALLS.name, "analytics")
    assert left.num_pending + left.num_ack_pending > 0

    process.start()
    await until_rows(bus, "SELECT count() AS n FROM events", [{"n": EVENTS}])
    await until_rows(
        bus,
        "SELECT count() AS calls, sum(turns) AS turns, sum(replies) AS replies FROM calls",
        [{"calls": CALLS_TOLD, "turns": 2 * CALLS_TOLD, "replies": 3 * CALLS_TOLD}],
    )
    assert await rows_of(bus, "SELECT uniqExact(id) AS ids FROM events") == [{"ids": EVENTS}]
    ledger = await rows_of(
        bus, "SELECT turn, voice_to_voice_ms AS ms, count() AS n FROM turns GROUP BY ALL ORDER BY 1"
    )
    assert ledger == [{"turn": 1, "ms": 513, "n": CALLS_TOLD}, {"turn": 2, "ms": 512, "n": CALLS_TOLD}]
    assert await rows_of(bus, "SELECT * FROM rejected_events") == []


async def test_a_process_that_is_asked_to_end_records_what_it_holds(
    process: ServiceProcess, bus: Bus
) -> None:
    process.start()
    await until_rows(bus, "SELECT 1 AS up", [{"up": 1}])
    await publish(bus, [one for number in range(20) for one in whole_call(call_ref(number)).told])
    assert process.end(signal.SIGTERM) == 0, process.log
    await until_acknowledged(bus)
    process.start()
    await until_rows(bus, "SELECT count() AS n FROM events", [{"n": 20 * EVENTS_TOLD}])
    assert (await reply_to(bus, "SELECT count() FROM event_log")).rows == ((20 * EVENTS_TOLD,),)


def test_a_bad_url_ends_the_start_with_the_mend(nats_url: str, tmp_path: Path) -> None:
    process = ServiceProcess(nats_url, tmp_path, TRUNKLINE_ANALYTICS_URL="sqlite:///x")
    process.start()
    assert process._process is not None
    assert process._process.wait(timeout=20) == 1
    assert "error: no store for a URL that begins 'sqlite:///x'" in process.log
    assert "chdb:///absolute/path" in process.log
