"""The two questions that REST asks for people: a page of a tenant's calls, and what was said in one.

What people send is bound as a parameter and never becomes part of a statement.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from analytics_service.errors import UnknownCall
from analytics_service.ports import Answer
from contracts.messages import CallRecord, CallRecords, GetTranscript, ListCalls, Transcript, TranscriptLine

_CALL_COLUMNS: Final = tuple(
    name.replace("_us", "_at") if name.endswith("_us") else name for name in CallRecord.model_fields
)
_LINE_COLUMNS: Final = ("at", "speaker", "turn", "reply", "text_pii", "confidence", "heard_ms", "interrupted")
_FILTERS: Final = {
    "tenant": "tenant = {tenant:String}",
    "number": "called = {number:String}",
    "call": "call = {call:String}",
    "outcome": "outcome = {outcome:String}",
    "over": "(outcome != 'active') = {over:Bool}",
    "after": "call < {after:String}",
}
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Question:
    """A statement and the values that are bound in it."""

    sql: str
    parameters: dict[str, Any] = field(default_factory=dict)
    max_rows: int = 1


def calls_asked(asked: ListCalls) -> Question:
    """A page of calls, one row more than it holds; their ids are in the order of time."""
    given, where = _bound(asked, tuple(_FILTERS))
    sql = (
        f"SELECT {', '.join(_CALL_COLUMNS)} FROM calls WHERE {where} ORDER BY call DESC LIMIT {{rows:UInt32}}"  # noqa: S608  # names of our own
    )
    return Question(sql, {**given, "rows": asked.limit + 1}, asked.limit + 1)


def calls_found(asked: ListCalls, answer: Answer) -> CallRecords:
    """The page that the rows are."""
    items = tuple(
        CallRecord.model_validate(dict(zip(CallRecord.model_fields, map(_plain, row), strict=True)))
        for row in answer.rows[: asked.limit]
    )
    return CallRecords(items=items, next=items[-1].call if len(answer.rows) > asked.limit else None)


def call_asked(asked: GetTranscript) -> Question:
    """Whether the tenant has the call."""
    given, where = _bound(asked, ("tenant", "call"))
    return Question(f"SELECT 1 FROM call_facts WHERE {where} LIMIT 1", given)  # noqa: S608  # names of our own


def lines_asked(asked: GetTranscript) -> Question:
    """A page of what was said, one row more than it holds."""
    given, where = _bound(asked, ("tenant", "call"))
    order = "at, speaker, turn, reply LIMIT {rows:UInt32} OFFSET {skip:UInt32}"
    sql = f"SELECT {', '.join(_LINE_COLUMNS)} FROM transcript WHERE {where} ORDER BY {order}"  # noqa: S608  # names of our own
    rows = asked.limit + 1
    return Question(sql, {**given, "rows": rows, "skip": int(asked.after or 0)}, rows)


def lines_found(asked: GetTranscript, call: Answer, lines: Answer) -> Transcript:
    """The page that the rows are; raises UnknownCall where the tenant has no such call."""
    if not call.rows:
        raise UnknownCall(f"there is no call {asked.call!r}", mend="list the calls")
    items = tuple(
        TranscriptLine.model_validate(dict(zip(TranscriptLine.model_fields, map(_plain, row), strict=True)))
        for row in lines.rows[: asked.limit]
    )
    more = len(lines.rows) > asked.limit
    return Transcript(items=items, next=str(int(asked.after or 0) + len(items)) if more else None)


def _bound(asked: ListCalls | GetTranscript, names: tuple[str, ...]) -> tuple[dict[str, Any], str]:
    """What is given of these, and the condition that it makes."""
    given = {name: getattr(asked, name) for name in names if getattr(asked, name) is not None}
    return given, " AND ".join(_FILTERS[name] for name in given) or "1"


def _plain(value: object) -> object:
    """A value as a message holds it: moments in microseconds, no figure where there is none."""
    match value:
        case datetime():
            aware = value if value.tzinfo else value.replace(tzinfo=UTC)
            return (aware - _EPOCH) // _MICROSECOND
        case float() if math.isnan(value):
            return None
        case _:
            return value
