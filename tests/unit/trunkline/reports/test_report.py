from __future__ import annotations

from tests.unit.trunkline.load.reports import call, report
from trunkline.reports.report import STAGES, LegDrops, by_stage
from trunkline.reports.thresholds import FIGURES


def test_times_of_turns_are_put_together_by_stage() -> None:
    found = by_stage([{"endpoint": 300.04, "stt_decode": 1.0}, {}, {"endpoint": 310.0}])
    assert list(found) == list(STAGES)
    assert found["endpoint"] == (300.0, 310.0)
    assert found["stt_decode"] == (1.0,)
    assert found["voice_to_voice"] == ()


def test_what_the_record_would_tell_is_left_out_where_it_was_not_read() -> None:
    without = report(call(300)).figures()
    assert not {"dropped", "endpoint_p95", "matched"} & without.keys()


def test_of_the_record_come_drops_and_stages_and_what_was_not_measured_is_none() -> None:
    stages = by_stage([{"endpoint": 300.0}])
    drops = (LegDrops(at_s=1, frames=2), LegDrops(at_s=2, frames=3))
    found = report(call(300)).model_copy(update={"stages_ms": stages, "leg_drops": drops}).figures()
    assert found["dropped"] == 5
    assert (found["endpoint_p50"], found["stt_decode_p95"]) == (300, None)


def test_every_figure_says_what_it_is() -> None:
    whole = report(call(300)).model_copy(update={"stages_ms": by_stage([]), "leg_drops": ()})
    assert whole.figures().keys() | {"matched"} == FIGURES.keys()
