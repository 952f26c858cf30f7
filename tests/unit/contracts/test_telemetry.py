import re

import pytest

from contracts import telemetry
from contracts.telemetry import METRICS, Kind, Metric, Span


def test_every_metric_of_the_module_is_in_the_closed_list_once() -> None:
    declared = [value for value in vars(telemetry).values() if isinstance(value, Metric)]

    assert tuple(declared) == METRICS
    assert len({metric.name for metric in METRICS}) == len(METRICS)


def test_span_names_are_unique_and_not_metric_names() -> None:
    assert len(set(Span)) == len(Span.__members__)
    assert not {span.value for span in Span} & {metric.name for metric in METRICS}


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_a_metric_is_named_and_described_as_prometheus_wants_it(metric: Metric) -> None:
    assert re.fullmatch(r"[a-z][a-z_]*[a-z]", metric.name)
    assert not metric.name.startswith("trunkline")
    assert not metric.name.endswith(("_total", "_seconds"))
    assert metric.kind in Kind
    assert metric.unit in {"1", "s"}
    assert metric.doc.endswith(".")


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_no_label_grows_with_the_number_of_calls(metric: Metric) -> None:
    assert len(set(metric.labels)) == len(metric.labels)
    assert not set(metric.labels) & {"call", "id", "caller", "number", "text"}
