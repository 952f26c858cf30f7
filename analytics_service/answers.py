"""From the store's rows to a reply that the bus can carry: JSON values, and no more than fit one message."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, date, datetime, time

from pydantic import JsonValue, TypeAdapter

from analytics_service.errors import QueryRefused
from analytics_service.ports import Answer
from contracts.messages import SqlResult

_ROW = TypeAdapter(tuple[JsonValue, ...])


def reply_of(answer: Answer, budget_bytes: int) -> SqlResult:
    """The reply, cut to `budget_bytes`; raises QueryRefused where not even one row fits."""
    rows: list[tuple[JsonValue, ...]] = []
    left = budget_bytes - len("".join(answer.columns).encode()) - 4 * len(answer.columns)
    for values in answer.rows:
        row = tuple(json_value(value) for value in values)
        left -= len(_ROW.dump_json(row)) + 1
        if left < 0:
            break
        rows.append(row)
    if answer.rows and not rows:
        raise QueryRefused(
            f"one row is larger than a message of {budget_bytes} bytes", mend="ask for fewer columns"
        )
    return SqlResult(
        columns=answer.columns, rows=tuple(rows), truncated=answer.truncated or len(rows) < len(answer.rows)
    )


def json_value(value: object) -> JsonValue:
    """A value as JSON: times in ISO 8601 (UTC), NaN and infinity as null, the rest as text where need be."""
    match value:
        case float() if not math.isfinite(value):
            return None
        case None | bool() | int() | float() | str():
            return value
        case Mapping():
            return {str(key): json_value(one) for key, one in value.items()}
        case list() | tuple() | set() | frozenset():
            return [json_value(one) for one in value]
        case _:
            return _text(value)


def _text(value: object) -> str:
    match value:
        case datetime():
            aware = value if value.tzinfo else value.replace(tzinfo=UTC)
            return aware.astimezone(UTC).isoformat().replace("+00:00", "Z")
        case date() | time():
            return value.isoformat()
        case bytes():
            return value.decode(errors="backslashreplace")
        case _:
            return str(value)
