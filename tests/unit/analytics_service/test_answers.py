from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from ipaddress import IPv4Address
from uuid import UUID

import pytest

from analytics_service.answers import json_value, reply_of
from analytics_service.errors import QueryRefused
from analytics_service.ports import Answer
from contracts.messages import SqlResult


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (None, None),
        (True, True),
        (2**70, 2**70),
        (1.5, 1.5),
        (float("nan"), None),
        (float("-inf"), None),
        ("é", "é"),
        (datetime(2026, 1, 1, 9, 0, 0, 5, tzinfo=UTC), "2026-01-01T09:00:00.000005Z"),
        (datetime(2026, 1, 1, 9, tzinfo=timezone(timedelta(hours=2))), "2026-01-01T07:00:00Z"),
        (datetime(2026, 1, 1, 9), "2026-01-01T09:00:00Z"),  # noqa: DTZ001  # what it is when none is given
        (date(2026, 1, 1), "2026-01-01"),
        (Decimal("1.50"), "1.50"),
        (UUID(int=7), "00000000-0000-0000-0000-000000000007"),
        (IPv4Address("1.2.3.4"), "1.2.3.4"),
        (b"a\xff", "a\\xff"),
        ((1, [date(2026, 1, 1)]), [1, ["2026-01-01"]]),
        ({1: (2.0, float("inf"))}, {"1": [2.0, None]}),
    ],
)
def test_every_value_becomes_json(value: object, told: object) -> None:
    assert json_value(value) == told
    json.dumps(json_value(value), allow_nan=False)


def test_a_reply_is_cut_to_what_a_message_can_carry() -> None:
    answer = Answer(("text",), tuple((f"é{n:099d}",) for n in range(100)), truncated=False)
    reply = reply_of(answer, budget_bytes=2_000)
    assert 15 <= len(reply.rows) < 20
    assert reply.truncated
    assert len(reply.model_dump_json().encode()) < 2_000 + 100


def test_a_reply_that_fits_is_whole() -> None:
    answer = Answer(("a", "b"), ((1, None), (2, "x")), truncated=False)
    assert reply_of(answer, 1_000) == SqlResult(columns=("a", "b"), rows=((1, None), (2, "x")))
    assert reply_of(Answer(("a",), (), truncated=False), 1_000) == SqlResult(columns=("a",))
    assert reply_of(Answer(("a",), ((1,),), truncated=True), 1_000).truncated


def test_a_row_that_no_message_can_carry_is_an_error_and_not_an_empty_answer() -> None:
    with pytest.raises(QueryRefused, match="one row is larger"):
        reply_of(Answer(("a",), (("x" * 3_000,),), truncated=False), 2_000)
