from __future__ import annotations

import os
from pathlib import Path

from trunkline.reports.platform import Platform, of_this_machine
from trunkline.reports.samples import CALLERS
from trunkline.state import RunningPlatform, RunningProcess


def test_ours_is_always_watched_and_asked_is_who_serves_health() -> None:
    running = RunningPlatform(
        version="0.1.0",
        pid=1,
        started_us=1,
        nats_url="nats://127.0.0.1:1",
        media_url="ws://127.0.0.1:1",
        tenants=Path("tenants.yaml"),
        processes=(
            RunningProcess(name="nats", pid=7, health_port=None),
            RunningProcess(name="stt", pid=8, health_port=81),
        ),
    )
    assert of_this_machine(running) == Platform({"nats": 7, "stt": 8, CALLERS: os.getpid()}, {"stt": 81})
    assert Platform() == Platform({CALLERS: os.getpid()}, {})
