"""What JetStream keeps: the stream of call events and the KV buckets. Created by whoever starts first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

_DAY_S: Final = 86_400


@dataclass(frozen=True, slots=True)
class StreamSpec:
    """A stream: what it captures, for how long, and the window in which an event id is stored once."""

    name: str
    subjects: tuple[str, ...]
    max_age_s: int
    dedupe_window_s: int
    max_message_bytes: int


@dataclass(frozen=True, slots=True)
class BucketSpec:
    """A KV bucket; `history` values are kept of each key. That a key was removed is known for
    `marker_ttl_s`, to those who watch and were away.

    `guards` are keys that hold no value of the bucket's own: a write of another may be made to depend on one.
    A value that is `max_age_s` old is gone; None keeps it.
    """

    name: str
    history: int
    max_value_bytes: int

    def subject(self, key: str) -> str:
        """Where the value of `key` is written."""
        return f"$KV.{self.name}.{key}"

    guards: tuple[str, ...] = ()
    marker_ttl_s: float = 3600.0
    max_age_s: int | None = None


TERM_KEY: Final = "term"
LEASE_KEY: Final = "session"

CALLS: Final = StreamSpec(
    "CALLS", ("call.>",), max_age_s=30 * _DAY_S, dedupe_window_s=120, max_message_bytes=256 * 1024
)
ALERTS: Final = StreamSpec(
    "ALERTS", ("alert.>",), max_age_s=30 * _DAY_S, dedupe_window_s=120, max_message_bytes=64 * 1024
)
ASSISTANTS_BUCKET: Final = BucketSpec("assistants", history=5, max_value_bytes=512 * 1024)
CALLS_BUCKET: Final = BucketSpec(
    "calls",
    history=1,
    max_value_bytes=768 * 1024,
    guards=(TERM_KEY,),
    marker_ttl_s=60.0,  # nobody watches it, and every call leaves one
)
LEASES_BUCKET: Final = BucketSpec("leases", history=1, max_value_bytes=4 * 1024)
ANSWERS_BUCKET: Final = BucketSpec("answers", history=1, max_value_bytes=16 * 1024, max_age_s=_DAY_S)
