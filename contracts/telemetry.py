"""The closed list of metrics and spans. A name that is not here cannot be measured."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Kind(StrEnum):
    """How a metric behaves."""

    COUNTER = "counter"
    HISTOGRAM = "histogram"
    GAUGE = "gauge"


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric: its name without the `trunkline_` prefix, its unit and the labels that it may carry."""

    name: str
    kind: Kind
    unit: str
    labels: tuple[str, ...]
    doc: str


class Span(StrEnum):
    """Every span name."""

    CALL_OPEN = "call.open"
    TURN_RECOGNIZE = "turn.recognize"
    REPLY_GENERATE = "reply.generate"
    SENTENCE_SYNTHESIZE = "sentence.synthesize"


EVENTS_PUBLISHED: Final = Metric("events_published", Kind.COUNTER, "1", ("event",), "Call events published.")
EVENT_ACKS_FAILED: Final = Metric(
    "event_acks_failed",
    Kind.COUNTER,
    "1",
    (),
    "Publishes that the stream did not acknowledge in time; retried.",
)
EVENTS_LOST: Final = Metric(
    "events_lost", Kind.COUNTER, "1", (), "Events that the stream never acknowledged, after every retry."
)
MESSAGES_REJECTED: Final = Metric(
    "messages_rejected", Kind.COUNTER, "1", ("where", "code"), "Messages and frames refused, by error code."
)
HANDLER_ERRORS: Final = Metric(
    "handler_errors", Kind.COUNTER, "1", ("where",), "Handlers that raised unexpectedly."
)
LOOP_LAG: Final = Metric("loop_lag", Kind.GAUGE, "s", (), "How late the event loop last woke up.")
LOOP_TASKS: Final = Metric("loop_tasks", Kind.GAUGE, "1", (), "Tasks of the event loop that are not done.")
CALLS_HELD: Final = Metric("calls_held", Kind.GAUGE, "1", (), "Calls that this process holds.")
FRAMES_IN: Final = Metric("frames_in", Kind.COUNTER, "1", (), "Audio frames received.")
FRAMES_OUT: Final = Metric("frames_out", Kind.COUNTER, "1", (), "Audio frames sent.")
FRAMES_DROPPED: Final = Metric(
    "frames_dropped", Kind.COUNTER, "1", ("why",), "Audio frames dropped, and why."
)
STALE_EPOCH: Final = Metric(
    "stale_epoch", Kind.COUNTER, "1", (), "Frames and events of an older epoch, ignored."
)
CALLS_OPENED: Final = Metric(
    "calls_opened", Kind.COUNTER, "1", ("result",), "Calls admitted, or the code that refused."
)
CALLS_ENDED: Final = Metric("calls_ended", Kind.COUNTER, "1", ("reason",), "Calls ended, by reason.")
CALLS_REASSIGNED: Final = Metric(
    "calls_reassigned",
    Kind.COUNTER,
    "1",
    ("role", "why"),
    "Roles of calls given to another process; for the gateway: legs that came again.",
)
CALLS_DETACHED: Final = Metric(
    "calls_detached", Kind.COUNTER, "1", (), "Calls that lost their gateway and waited for their leg."
)
LEGS_REFUSED: Final = Metric(
    "legs_refused", Kind.COUNTER, "1", ("code",), "Sockets closed for what they sent."
)
WEBHOOKS: Final = Metric(
    "webhooks", Kind.COUNTER, "1", ("carrier", "result"), "What a carrier's webhooks were answered."
)
STAGE_SECONDS: Final = Metric(
    "stage", Kind.HISTOGRAM, "s", ("stage", "engine"), "Time an engine took, by stage."
)
ENGINE_FAILURES: Final = Metric(
    "engine_failures", Kind.COUNTER, "1", ("stage", "engine", "code"), "Engine failures."
)
ENGINE_EASED: Final = Metric(
    "engine_eased",
    Kind.COUNTER,
    "1",
    ("stage", "engine", "how"),
    "Times that an engine under load was spared: told less, or its relief asked in its place.",
)
PHRASE_CACHE: Final = Metric(
    "phrase_cache", Kind.COUNTER, "1", ("result",), "Finished phrases found, or made anew."
)
ROWS_WRITTEN: Final = Metric(
    "rows_written", Kind.COUNTER, "1", ("table",), "Rows written to the reporting store."
)
STORE_RETRIES: Final = Metric("store_retries", Kind.COUNTER, "1", (), "Batches that had to be written again.")

METRICS: Final[tuple[Metric, ...]] = tuple(
    value for value in list(globals().values()) if isinstance(value, Metric)
)
