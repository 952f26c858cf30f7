"""Metrics and traces on the OpenTelemetry SDK, for names on the closed list only.

Counters are plain dict entries that the SDK reads when it is scraped: a counter in the audio path costs a
dict addition, not an SDK call.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.metrics import CallbackOptions, Observation
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from contracts.telemetry import METRICS, Kind, Metric, Span
from runtime.errors import UnlistedMetric

_PROPAGATOR = TraceContextTextMapPropagator()


@dataclass(frozen=True, slots=True)
class Counter:
    """Counts up, by label values in the order in which the metric lists its labels."""

    counts: defaultdict[tuple[str, ...], int]

    def add(self, *labels: str, by: int = 1) -> None:
        """Count `by` more."""
        self.counts[labels] += by

    def total(self) -> int:
        """The sum over all labels."""
        return sum(self.counts.values())


class Metrics:
    """The metrics of one service; every series carries the service's name."""

    def __init__(self, provider: MeterProvider, service: str) -> None:
        self._meter = provider.get_meter("trunkline")
        self._service = service
        self._counters: dict[str, Counter] = {}

    def counter(self, metric: Metric) -> Counter:
        """The counter of this service for `metric`; the same one at every call."""
        _check(metric, Kind.COUNTER)
        if metric.name not in self._counters:
            counter = Counter(defaultdict(int))
            self._counters[metric.name] = counter

            def observe(_: CallbackOptions) -> Iterable[Observation]:
                return [Observation(n, self._labels(metric, labels)) for labels, n in counter.counts.items()]

            self._meter.create_observable_counter(
                f"trunkline_{metric.name}", [observe], unit=metric.unit, description=metric.doc
            )
        return self._counters[metric.name]

    def gauge(self, metric: Metric, read: Callable[[], float]) -> None:
        """Report what `read` returns whenever the metrics are scraped."""
        _check(metric, Kind.GAUGE)

        def observe(_: CallbackOptions) -> Iterable[Observation]:
            return [Observation(read(), {"service": self._service})]

        self._meter.create_observable_gauge(
            f"trunkline_{metric.name}", [observe], unit=metric.unit, description=metric.doc
        )

    def histogram(self, metric: Metric) -> Callable[..., None]:
        """A function `record(value, *labels)` in the metric's unit."""
        _check(metric, Kind.HISTOGRAM)
        instrument = self._meter.create_histogram(
            f"trunkline_{metric.name}", unit=metric.unit, description=metric.doc
        )

        def record(value: float, *labels: str) -> None:
            instrument.record(value, self._labels(metric, labels))

        return record

    def _labels(self, metric: Metric, values: tuple[str, ...]) -> dict[str, str]:
        return {"service": self._service, **dict(zip(metric.labels, values, strict=True))}


def _check(metric: Metric, kind: Kind) -> None:
    if metric not in METRICS or metric.kind is not kind:
        raise UnlistedMetric(
            f"{metric.name} is not a listed {kind}", mend="list it in contracts/telemetry.py"
        )


class Tracer:
    """Opens spans whose context rides on events as a W3C traceparent."""

    def __init__(self, provider: TracerProvider) -> None:
        self._tracer = provider.get_tracer("trunkline")

    @contextmanager
    def span(self, name: Span, parent: str | None = None, **attributes: str | int | float) -> Iterator[str]:
        """A span under `parent` (a traceparent); yields its own traceparent for the events that it causes."""
        context = _PROPAGATOR.extract({"traceparent": parent}) if parent else None
        with self._tracer.start_as_current_span(name, context=context, attributes=attributes):
            carrier: dict[str, str] = {}
            _PROPAGATOR.inject(carrier)
            yield carrier["traceparent"]


class Telemetry:
    """The SDK of one process: a Prometheus reader always, an OTLP exporter when an endpoint is set."""

    def __init__(self, process: str, otlp_endpoint: str = "") -> None:
        resource = Resource.create({"service.name": "trunkline", "service.instance.id": process})
        self._meters = MeterProvider([PrometheusMetricReader()], resource=resource)
        self._traces = TracerProvider(resource=resource)
        if otlp_endpoint:
            self._traces.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=otlp_endpoint)))
        self.tracer = Tracer(self._traces)

    def metrics(self, service: str) -> Metrics:
        """The metrics of one of the services in this process."""
        return Metrics(self._meters, service)

    def close(self) -> None:
        """Flush what is not exported yet."""
        self._traces.shutdown()
        self._meters.shutdown()
