"""Metrics and traces on the OpenTelemetry SDK, for names on the closed list only.

Counters are plain dict entries that the SDK reads when it is scraped: a counter in the audio path costs a
dict addition, not an SDK call.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.metrics import CallbackOptions, Histogram, Meter, Observation
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import NoOpTracer
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from contracts.telemetry import METRICS, Kind, Metric, Span
from runtime.errors import UnlistedMetric

_PROPAGATOR = TraceContextTextMapPropagator()
_TRACEPARENT = re.compile(r"00-(?P<trace>(?!0{32})[0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-(?P<flags>[0-9a-f]{2})")
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.65, 0.8, 1.0, 1.5, 2.5, 5.0, 10.0)


class _Counts(dict[tuple[str, ...], int]):
    """Counts by label values. The labels are checked when they are first seen, not at each addition."""

    def __init__(self, metric: Metric) -> None:
        super().__init__()
        self._metric = metric

    def __missing__(self, labels: tuple[str, ...]) -> int:
        _check_labels(self._metric, labels)
        return 0


@dataclass(frozen=True, slots=True)
class Counter:
    """Counts up, by label values in the order in which the metric lists its labels."""

    counts: dict[tuple[str, ...], int]

    def add(self, *labels: str, by: int = 1) -> None:
        """Count `by` more; raises UnlistedMetric for labels that the metric does not list."""
        self.counts[labels] += by

    def total(self) -> int:
        """The sum over all labels."""
        return sum(self.counts.values())


Read = Callable[[], Iterable[Observation]]


class _Instruments:
    """One instrument of the SDK for each metric, whoever measures it: the SDK keeps the first of a name and
    would ignore what a second service in the process registers.
    """

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self._reads: dict[str, list[Read]] = {}
        self._histograms: dict[str, Histogram] = {}

    def observe(self, metric: Metric, read: Read) -> None:
        """Report also what `read` returns whenever the metrics are scraped, on the scraper's thread."""
        if metric.name in self._reads:
            self._reads[metric.name].append(read)
            return
        reads = self._reads[metric.name] = [read]

        def observe(_: CallbackOptions) -> Iterable[Observation]:
            return [observation for read in tuple(reads) for observation in read()]

        counts = metric.kind is Kind.COUNTER
        create = self._meter.create_observable_counter if counts else self._meter.create_observable_gauge
        create(_name(metric), [observe], unit=metric.unit, description=metric.doc)

    def histogram(self, metric: Metric) -> Histogram:
        """The histogram of `metric`."""
        if metric.name not in self._histograms:
            self._histograms[metric.name] = self._meter.create_histogram(
                _name(metric),
                unit=metric.unit,
                description=metric.doc,
                explicit_bucket_boundaries_advisory=_SECONDS if metric.unit == "s" else None,
            )
        return self._histograms[metric.name]


def _name(metric: Metric) -> str:
    return f"trunkline_{metric.name}"


class Metrics:
    """The metrics of one service; every series carries the service's name."""

    def __init__(self, instruments: _Instruments, service: str) -> None:
        self._instruments = instruments
        self._service = service
        self._counters: dict[str, Counter] = {}

    def counter(self, metric: Metric) -> Counter:
        """The counter of this service for `metric`; the same one at every call."""
        _check(metric, Kind.COUNTER)
        if metric.name not in self._counters:
            counter = self._counters[metric.name] = Counter(_Counts(metric))

            def read() -> Iterable[Observation]:
                counts = counter.counts.copy()  # the loop goes on counting while this thread reads
                return [Observation(n, self._labels(metric, labels)) for labels, n in counts.items()]

            self._instruments.observe(metric, read)
        return self._counters[metric.name]

    def gauge(self, metric: Metric, read: Callable[[], float]) -> None:
        """Report what `read` returns whenever the metrics are scraped."""
        _check(metric, Kind.GAUGE)
        self._instruments.observe(metric, lambda: [Observation(read(), {"service": self._service})])

    def histogram(self, metric: Metric) -> Callable[..., None]:
        """A function `record(value, *labels)` in the metric's unit."""
        _check(metric, Kind.HISTOGRAM)
        instrument = self._instruments.histogram(metric)

        def record(value: float, *labels: str) -> None:
            _check_labels(metric, labels)
            instrument.record(value, self._labels(metric, labels))

        return record

    def _labels(self, metric: Metric, values: tuple[str, ...]) -> dict[str, str]:
        return {"service": self._service, **dict(zip(metric.labels, values, strict=True))}


def _check(metric: Metric, kind: Kind) -> None:
    if metric not in METRICS or metric.kind is not kind:
        raise UnlistedMetric(
            f"{metric.name} is not a listed {kind}", mend="list it in contracts/telemetry.py"
        )


def _check_labels(metric: Metric, values: tuple[str, ...]) -> None:
    if len(values) != len(metric.labels):
        raise UnlistedMetric(
            f"{metric.name} takes the labels ({', '.join(metric.labels)}), not {values}",
            mend="see contracts/telemetry.py",
        )


class Tracer:
    """Opens spans whose context rides on events as a W3C traceparent.

    Where none is `exported` only the context is made, so that the events of a turn still belong together.
    """

    def __init__(self, provider: TracerProvider, *, exported: bool = True) -> None:
        self._tracer = provider.get_tracer("trunkline")
        self._ids = provider.id_generator
        self._records = exported or isinstance(self._tracer, NoOpTracer)

    @contextmanager
    def span(
        self, name: Span, parent: str | None = None, **attributes: str | int | float
    ) -> Iterator[str | None]:
        """A span under `parent` (a traceparent); yields its own traceparent for the events that it causes,
        None where OpenTelemetry is switched off.
        """
        if not self._records:
            yield self._unrecorded(parent)
            return
        context = _PROPAGATOR.extract({"traceparent": parent}) if parent else None
        with self._tracer.start_as_current_span(name, context=context, attributes=attributes):
            carrier: dict[str, str] = {}
            _PROPAGATOR.inject(carrier)
            yield carrier.get("traceparent")

    def _unrecorded(self, parent: str | None) -> str:
        """The context of a span that nobody will see."""
        known = _TRACEPARENT.fullmatch(parent) if parent else None
        trace, flags = known.groups() if known else (f"{self._ids.generate_trace_id():032x}", "01")
        return f"00-{trace}-{self._ids.generate_span_id():016x}-{flags}"


class Telemetry:
    """The SDK of one process: a Prometheus reader always, an OTLP exporter when an endpoint is set."""

    def __init__(self, process: str, otlp_endpoint: str = "") -> None:
        resource = Resource.create({"service.name": "trunkline", "service.instance.id": process})
        self._meters = MeterProvider([PrometheusMetricReader()], resource=resource)
        self._instruments = _Instruments(self._meters.get_meter("trunkline"))
        self._traces = TracerProvider(resource=resource)
        if otlp_endpoint:
            self._traces.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=otlp_endpoint)))
        self.tracer = Tracer(self._traces, exported=bool(otlp_endpoint))

    def metrics(self, service: str) -> Metrics:
        """The metrics of one of the services in this process."""
        return Metrics(self._instruments, service)

    def close(self) -> None:
        """Flush what is not exported yet."""
        self._traces.shutdown()
        self._meters.shutdown()
