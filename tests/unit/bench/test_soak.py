"""What counts as growth: the middle of the second quarter of a run against that of the last."""

from __future__ import annotations

from bench.soak import Series, loop_tasks, stored


def series(*values: float) -> dict[str, float]:
    kept = Series()
    for value in values:
        kept.add("stt memory_mb", value)
    return kept.growth().get("stt memory_mb", {})


def test_what_stays_does_not_grow() -> None:
    assert series(1, 1, 9, 9, 9, 9, 9, 9) == {"early": 9, "late": 9, "ratio": 1.0}


def test_the_first_quarter_is_not_held_against_the_last() -> None:
    assert series(1, 1, 10, 10, 10, 10, 10, 12)["early"] == 10


def test_growth_is_the_ratio_of_late_to_early() -> None:
    assert series(0, 0, 10, 10, 12, 14, 15, 15) == {"early": 10, "late": 15, "ratio": 1.5}


def test_one_peak_is_no_growth() -> None:
    assert series(*[4] * 11, 400)["ratio"] == 1.0


def test_what_comes_out_of_nothing_grows_without_bound() -> None:
    assert series(0, 0, 0, 3)["ratio"] == float("inf")
    assert series(0, 0, 0, 0)["ratio"] == 1.0


def test_too_few_looks_say_nothing() -> None:
    assert series(1, 2, 3) == {}


def test_the_tasks_of_a_process_are_read_from_its_metrics() -> None:
    page = '# HELP trunkline_loop_tasks x\n# TYPE x gauge\ntrunkline_loop_tasks{otel_scope_name="p"} 17.0\n'
    assert loop_tasks(page) == 17.0


def test_what_streams_hold_is_read_from_the_monitor() -> None:
    page = '{"account_details": [{"stream_detail": [{"name": "KV_calls", "state": {"messages": 3}}]}]}'
    assert stored(page) == {"KV_calls": 3}
    assert stored("{}") == {}
