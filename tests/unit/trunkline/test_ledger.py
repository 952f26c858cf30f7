from __future__ import annotations

import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from contracts.channels import ANALYTICS_QUERY
from contracts.errors import ErrorCode, SubjectError
from contracts.identities import CallRef, uuid7
from contracts.messages import SqlQuery, SqlResult, WireError
from runtime.bus import Bus
from runtime.settings import ProcessSettings
from tests.support.context import service_context
from tests.unit.trunkline.test_demo_report import turn
from trunkline.bus_client import open_bus
from trunkline.errors import QueryFailed
from trunkline.ledger import LedgerTurn, read_ledger
from trunkline.reporting import ask_store

REF = CallRef("acme", uuid7(1_767_225_600_000, random.Random(1)))
COLUMNS = tuple(LedgerTurn.model_fields)


@pytest.fixture
async def platform(nats_url: str) -> AsyncIterator[Bus]:
    async with service_context(ProcessSettings(nats_url=nats_url), "analytics") as context:
        yield context.bus


def test_every_column_is_one_of_the_view(tmp_path: Path) -> None:
    (tmp_path / "analytics").mkdir()
    result = ask_store(tmp_path, f"SELECT {', '.join(COLUMNS)} FROM turns", 10)
    assert result.columns == COLUMNS
    assert result.rows == ()


async def test_turns_are_read_once_the_end_of_the_call_is_recorded(platform: Bus, nats_url: str) -> None:
    asked: list[str] = []
    recorded = [0, 0, 1]

    async def answer(query: SqlQuery) -> SqlResult:
        asked.append(query.sql)
        if "count()" in query.sql:
            return SqlResult(columns=("count()",), rows=((recorded.pop(0),),))
        row = tuple(turn(1, 5).model_dump(mode="json")[column] for column in COLUMNS)
        return SqlResult(columns=COLUMNS, rows=(row,))

    await platform.respond(ANALYTICS_QUERY.subject(), SqlQuery, SqlResult, answer)
    async with open_bus(nats_url) as bus:
        (found,) = await read_ledger(bus, REF, within_s=20)
    assert found == turn(1, 5)
    assert len(asked) == 4
    assert all(f"tenant = 'acme' AND call = '{REF.call}'" in sql for sql in asked)


async def test_what_there_is_is_read_when_the_end_does_not_come(platform: Bus, nats_url: str) -> None:
    async def answer(query: SqlQuery) -> SqlResult:
        counted = "count()" in query.sql
        return SqlResult(columns=("count()",) if counted else COLUMNS, rows=((0,),) if counted else ())

    await platform.respond(ANALYTICS_QUERY.subject(), SqlQuery, SqlResult, answer)
    async with open_bus(nats_url) as bus:
        assert await read_ledger(bus, REF, within_s=0.1) == ()


async def test_what_the_store_says_is_the_error(platform: Bus, nats_url: str) -> None:
    refusal = WireError(code=ErrorCode.BAD_QUERY, message="no such table", mend="SHOW TABLES")

    async def answer(_: SqlQuery) -> SqlResult:
        return SqlResult(error=refusal)

    await platform.respond(ANALYTICS_QUERY.subject(), SqlQuery, SqlResult, answer)
    async with open_bus(nats_url) as bus:
        with pytest.raises(QueryFailed, match=r"no such table \(SHOW TABLES\)"):
            await read_ledger(bus, REF, within_s=30)


async def test_nothing_but_a_call_goes_into_the_statement(nats_url: str) -> None:
    async with open_bus(nats_url) as bus:
        with pytest.raises(SubjectError):
            await read_ledger(bus, CallRef("acme", "x' OR 1=1 --"), within_s=1)
