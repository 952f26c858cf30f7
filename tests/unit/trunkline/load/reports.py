"""A small report, made by hand, whose figures can be worked out in the head."""

from __future__ import annotations

from typing import Any

from trunkline.load.report import CallRecord, LoadReport, Turn
from trunkline.reports.samples import Sample


def call(*waits_ms: float | None, ending: str = "hung_up", expected: int | None = None) -> CallRecord:
    turns = tuple(Turn(said_s=6.0 * i, waited_ms=wait, heard_ms=2_000.0) for i, wait in enumerate(waits_ms))
    return CallRecord(
        called="+15550199",
        began_s=0.0,
        ended_s=60.0,
        ending=ending,
        turns=turns,
        expected=len(turns) if expected is None else expected,
        frames_sent=3_000,
        frames_heard=100,
        worst_lateness_ms=1.0,
    )


def samples() -> tuple[Sample, ...]:
    """10 calls for two minutes between the first and the last quiet moment."""
    rows = [(0.0, 0, 1.0, 100.0), (60.0, 10, 2.0, 110.0), (120.0, 10, 4.0, 112.0), (180.0, 10, 6.0, 115.0)]
    return tuple(
        Sample(at_s=at, calls=calls, spurts=0, broken=0, cpu_s={"stt": cpu}, memory_mb={"stt": memory})
        for at, calls, cpu, memory in rows
    )


def report(*calls: CallRecord, **plan: Any) -> LoadReport:
    machine = {"cores": 2, "load_average": [0.5, 0.5, 0.5]}
    return LoadReport(
        version="0.1.0",
        at="2026-01-01T00:00:00+00:00",
        plan={"calls": len(calls), "url": "ws://127.0.0.1:1/media/twilio", **plan},
        machine_before=machine,
        machine_after=machine,
        talk_from_s=0.0,
        calls=calls,
        samples=samples(),
    )
