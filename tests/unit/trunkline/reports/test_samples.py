from __future__ import annotations

import pytest

from tests.unit.trunkline.load.reports import samples
from trunkline.reports.samples import costs, spread


def test_cost_is_cpu_by_call_minutes_and_memory_beyond_the_first_sample() -> None:
    whole = costs(samples(), 0, 180)["stt"]
    assert whole.cpu_s_per_call_minute == pytest.approx(5 / 25)
    assert whole.memory_mb_per_call == pytest.approx(1.5)
    steady = costs(samples(), 60, 180)["stt"]
    assert steady.cpu_s_per_call_minute == pytest.approx(4 / 20)
    assert steady.memory_mb_before == 100


def test_cost_of_no_time_is_none() -> None:
    assert costs(samples(), 500, 600) == {}
    assert costs(samples(), 60, 60)["stt"].cpu_s_per_call_minute is None


def test_percentiles_of_nothing_are_none() -> None:
    assert spread([]).p95 is None
    assert spread([5.0]).p99 == 5.0
