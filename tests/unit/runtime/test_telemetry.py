"""Metrics on the closed list, by service; trace context that rides on events."""

from __future__ import annotations

import re
import sys
import threading
from collections.abc import Iterator

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import generate_latest

from contracts.telemetry import (
    CALLS_HELD,
    CALLS_OPENED,
    ENGINE_FAILURES,
    FRAMES_IN,
    STAGE_SECONDS,
    Kind,
    Metric,
    Span,
)
from runtime.errors import UnlistedMetric
from runtime.telemetry import Metrics, Telemetry, Tracer


@pytest.fixture
def telemetry() -> Iterator[Telemetry]:
    made = Telemetry("probe-1")
    yield made
    made.close()


@pytest.fixture
def metrics(telemetry: Telemetry) -> Metrics:
    return telemetry.metrics("probe")


def scraped(name: str) -> dict[tuple[str, ...], float]:
    """The values of a metric by its label values, without those of the SDK's own."""
    found = {}
    for line in generate_latest().decode().splitlines():
        if line.startswith(f"{name}{{"):
            labels = [
                value for key, value in re.findall(r'(\w+)="([^"]*)"', line) if not key.startswith("otel_")
            ]
            found[tuple(labels)] = float(line.rsplit(" ", 1)[1])
    return found


def test_a_counter_counts_by_label_and_is_the_same_at_every_call(metrics: Metrics) -> None:
    metrics.counter(CALLS_OPENED).add("accepted")
    metrics.counter(CALLS_OPENED).add("accepted", by=2)
    metrics.counter(CALLS_OPENED).add("tenant_full")
    assert metrics.counter(CALLS_OPENED).total() == 4
    assert scraped("trunkline_calls_opened_total") == {("accepted", "probe"): 3, ("tenant_full", "probe"): 1}


def test_services_of_one_process_count_side_by_side(telemetry: Telemetry) -> None:
    for name, number in (("stt", 1), ("llm", 2)):
        own = telemetry.metrics(name)
        own.counter(FRAMES_IN).add(by=number)
        own.gauge(CALLS_HELD, lambda number=number: number * 10)  # type: ignore[misc]  # a bound default
        own.histogram(STAGE_SECONDS)(0.2, name, "synthetic")
    assert scraped("trunkline_frames_in_total") == {("stt",): 1, ("llm",): 2}
    assert scraped("trunkline_calls_held") == {("stt",): 10, ("llm",): 20}
    assert scraped("trunkline_stage_seconds_count") == {
        ("synthetic", "stt", "stt"): 1,
        ("synthetic", "llm", "llm"): 1,
    }


def test_a_histogram_of_seconds_has_buckets_that_tell_a_good_turn_from_a_bad_one(metrics: Metrics) -> None:
    record = metrics.histogram(STAGE_SECONDS)
    record(0.35, "stt", "whisper")
    record(0.9, "stt", "whisper")
    buckets = {float(key[1]): count for key, count in scraped("trunkline_stage_seconds_bucket").items()}
    assert (buckets[0.3], buckets[0.4], buckets[0.8], buckets[1.0]) == (0, 1, 1, 2)


def test_a_gauge_is_read_when_it_is_scraped(metrics: Metrics) -> None:
    held = ["a"]
    metrics.gauge(CALLS_HELD, lambda: len(held))
    assert scraped("trunkline_calls_held") == {("probe",): 1}
    held.append("b")
    assert scraped("trunkline_calls_held") == {("probe",): 2}


def test_counting_goes_on_while_another_thread_reads(
    metrics: Metrics, caplog: pytest.LogCaptureFixture
) -> None:
    counter = metrics.counter(ENGINE_FAILURES)
    stop = threading.Event()

    def read() -> None:
        while not stop.is_set():
            generate_latest()

    switch_s = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)  # both threads take turns as often as they can
    reader = threading.Thread(target=read)
    reader.start()
    try:
        for number in range(300):
            counter.add("stt", f"engine-{number}", "timeout")
    finally:
        sys.setswitchinterval(switch_s)
        stop.set()
        reader.join()
    assert caplog.text == "", "the SDK logs a reading that fails, and leaves the metric out"
    assert len(scraped("trunkline_engine_failures_total")) == 300


def test_what_is_not_listed_cannot_be_measured(metrics: Metrics) -> None:
    invented = Metric("invented", Kind.COUNTER, "1", (), "")
    with pytest.raises(UnlistedMetric, match=r"invented is not a listed counter \(list it in"):
        metrics.counter(invented)
    with pytest.raises(UnlistedMetric, match="frames_in is not a listed gauge"):
        metrics.gauge(FRAMES_IN, lambda: 0)
    with pytest.raises(UnlistedMetric, match="calls_held is not a listed histogram"):
        metrics.histogram(CALLS_HELD)


def test_labels_that_are_not_listed_are_refused_where_they_are_given(metrics: Metrics) -> None:
    with pytest.raises(UnlistedMetric, match=r"calls_opened takes the labels \(result\), not \(\)"):
        metrics.counter(CALLS_OPENED).add()
    with pytest.raises(UnlistedMetric, match=r"frames_in takes the labels \(\), not \('x',\)"):
        metrics.counter(FRAMES_IN).add("x")
    with pytest.raises(UnlistedMetric, match="stage takes"):
        metrics.histogram(STAGE_SECONDS)(0.1, "stt")
    assert scraped("trunkline_calls_opened_total") == {}


@pytest.mark.parametrize("exported", [True, False])
def test_a_span_hands_on_its_own_context_under_its_parents_trace(*, exported: bool) -> None:
    tracer = Tracer(TracerProvider(), exported=exported)
    with tracer.span(Span.TURN_RECOGNIZE, engine="whisper") as first:
        assert first is not None
    with tracer.span(Span.REPLY_GENERATE, parent=first) as second:
        assert second is not None
    assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-0[0-9a-f]", first)
    assert second.split("-")[1] == first.split("-")[1]
    assert second.split("-")[2] != first.split("-")[2]
    assert not trace.get_current_span().get_span_context().is_valid


@pytest.mark.parametrize("exported", [True, False])
@pytest.mark.parametrize("flags", ["00", "01"])
def test_whether_a_trace_is_sampled_is_for_who_began_it_to_say(flags: str, *, exported: bool) -> None:
    parent = f"00-{'1' * 32}-{'2' * 16}-{flags}"
    with Tracer(TracerProvider(), exported=exported).span(Span.TURN_RECOGNIZE, parent=parent) as span:
        assert span is not None
        assert span.split("-")[3] == flags


@pytest.mark.parametrize("exported", [True, False])
@pytest.mark.parametrize("parent", ["junk", f"00-{'0' * 32}-{'1' * 16}-01", f"00-{'1' * 32}-{'0' * 16}-01"])
def test_a_parent_that_is_junk_begins_a_new_trace(parent: str, *, exported: bool) -> None:
    with Tracer(TracerProvider(), exported=exported).span(Span.TURN_RECOGNIZE, parent=parent) as span:
        assert span is not None
        assert span.split("-")[1] != parent.split("-")[-3:][0]


def test_only_spans_that_are_exported_are_recorded(telemetry: Telemetry) -> None:
    kept = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(kept))
    with Tracer(provider).span(Span.TURN_RECOGNIZE, turn=3) as context, telemetry.tracer.span(Span.CALL_OPEN):
        assert context is not None
        assert format(trace.get_current_span().get_span_context().span_id, "016x") in context
    (span,) = kept.get_finished_spans()
    assert (span.name, dict(span.attributes or {})) == (Span.TURN_RECOGNIZE, {"turn": 3})


def test_where_opentelemetry_is_switched_off_there_is_no_context_and_no_fault(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    telemetry = Telemetry("probe-1")
    with telemetry.tracer.span(Span.TURN_RECOGNIZE) as span:
        assert span is None
    telemetry.metrics("probe").counter(FRAMES_IN).add()
    telemetry.close()
