"""A report of a replay, made by hand."""

from __future__ import annotations

from typing import Any

from contracts.messages import EndReason
from tests.unit.trunkline.load.reports import samples
from tests.unit.trunkline.recording.samples import call_ref
from tests.unit.trunkline.replaying.samples import recorded_call
from trunkline.recording.conversation import Conversation, Turn
from trunkline.replaying.legs import Fate, Leg
from trunkline.replaying.plan import Planned
from trunkline.replaying.report import Replayed, ReplayReport, for_report, stages_now, stages_then
from trunkline.reports.report import LegDrops

DONE = Leg(Fate.DONE, "", 3.0)


def replayed(*turns: Turn, leg: Leg = DONE, over: bool = True) -> Replayed:
    """`recorded_call` again, with these turns."""
    now = Conversation(turns, heard_out=True, end=EndReason.CALLER_HUNG_UP) if over else None
    return Replayed(Planned(1, recorded_call(), 0.0), leg, "CA1", call_ref(7), now)


def replay_report(*calls: Replayed, **plan: Any) -> ReplayReport:
    machine = {"cores": 2, "load_average": [0.5, 0.5, 0.5]}
    return ReplayReport(
        version="0.1.0",
        at="2026-01-02T00:00:00+00:00",
        plan={"recording": "x.tlrec", "calls": len(calls), **plan},
        machine_before=machine,
        machine_after=machine,
        samples=samples(),
        stages_ms=stages_now(calls),
        leg_drops=(LegDrops(at_s=61.0, frames=0), LegDrops(at_s=62.0, frames=3)),
        versions={"trunkline": "0.1.0"},
        recorded_ms=stages_then(calls),
        calls=tuple(for_report(call) for call in calls),
    )
