import asyncio
import random
from dataclasses import replace
from pathlib import Path

import pytest

from router_service.errors import Conflict, DatabaseUnavailable
from router_service.ports import Transaction
from router_service.records import Number, Tenant
from router_service.sql.engine import open_engine
from router_service.sql.unit_of_work import SqlUnitOfWork
from tests.support.office import Office


def tenant(slug: str, revision: int = 1) -> Tenant:
    return Tenant(id=f"id-{slug}", slug=slug, name=slug, revision=revision, created_us=5)


async def test_what_raises_undoes_all(desk: Office) -> None:
    async def work(tx: Transaction) -> None:
        await tx.rows(Tenant).put(tenant("acme"))
        raise KeyError("no")

    with pytest.raises(KeyError):
        await desk.database.write(work)

    assert await desk.database.read(lambda tx: tx.rows(Tenant).find()) == []


async def test_a_row_comes_back_as_it_was_put(desk: Office) -> None:
    number = Number(
        id="n",
        number="+15550100",
        tenant_id=None,
        assistant_id=None,
        label="Ünïcode \N{GRINNING FACE} '; DROP TABLE numbers; --",
        override={"a": [1, 2.5, None, {"b": "c"}], "e": {}},
        max_concurrent_calls=3,
        active=False,
        created_us=2**53 + 1,
    )
    await desk.database.write(lambda tx: tx.rows(Number).put(number))

    assert await desk.database.read(lambda tx: tx.rows(Number).find(number="+15550100")) == [number]
    assert await desk.database.read(lambda tx: tx.rows(Number).find(tenant_id=None)) == [number]
    changed = replace(number, label="")
    await desk.database.write(lambda tx: tx.rows(Number).put(changed))
    assert await desk.database.read(lambda tx: tx.rows(Number).find()) == [changed]
    assert await desk.database.write(lambda tx: tx.rows(Number).remove(id="n", active=True)) == 0
    assert await desk.database.write(lambda tx: tx.rows(Number).remove(id="n", active=False)) == 1


async def test_transactions_are_as_if_one_ran_after_the_other(desk: Office) -> None:
    await desk.database.write(lambda tx: tx.rows(Tenant).put(tenant("acme", 0)))

    async def count_up(tx: Transaction) -> None:
        (found,) = await tx.rows(Tenant).find(slug="acme")
        await asyncio.sleep(0)
        await tx.rows(Tenant).put(replace(found, revision=found.revision + 1))

    await asyncio.gather(*(desk.database.write(count_up) for _ in range(8)))

    (found,) = await desk.database.read(lambda tx: tx.rows(Tenant).find())
    assert found.revision == 8


async def test_what_the_database_refuses_for_good_is_a_conflict(desk: Office) -> None:
    async def work(tx: Transaction) -> None:
        await tx.rows(Tenant).put(tenant("acme"))
        await tx.rows(Tenant).put(replace(tenant("acme"), id="another"))

    with pytest.raises(Conflict, match="contradicts what is stored"):
        await desk.database.write(work)


async def test_a_commit_is_told_and_a_failure_is_not(desk: Office) -> None:
    told: list[int] = []
    database = SqlUnitOfWork(desk.engine, random.Random(1), lambda: told.append(1))

    await database.write(lambda tx: tx.rows(Tenant).put(tenant("acme")))
    await database.read(lambda tx: tx.rows(Tenant).find())

    async def fails(_: Transaction) -> None:
        raise KeyError

    with pytest.raises(KeyError):
        await database.write(fails)
    assert told == [1]


@pytest.mark.parametrize("url", ["postgresql://nobody@127.0.0.1:1/none", "sqlite:////nowhere/at/all.db"])
async def test_a_database_that_is_away_is_named_and_may_be_tried_again(url: str) -> None:
    engine = open_engine(url, Path())

    with pytest.raises(DatabaseUnavailable) as refused:
        await SqlUnitOfWork(engine, random.Random(1)).read(lambda tx: tx.rows(Tenant).find())

    assert refused.value.retryable
    await engine.dispose()
