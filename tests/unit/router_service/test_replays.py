import asyncio

import pytest

from contracts import messages as m
from router_service.errors import BadConfiguration, Conflict
from router_service.replays import KEPT_US, Replays
from tests.support.office import ADMIN, CONFIG, Office, member

CREATED = m.CreateKey(label="Website", role=m.MemberRole.AGENT)


async def test_a_repeated_request_is_done_once_and_answered_the_same(desk: Office) -> None:
    owner = await desk.tenant("acme")

    first = await desk.ask(owner, CREATED, key="one")
    desk.clock.tick(60)
    again = await desk.ask(owner, CREATED, key="one")
    other = await desk.ask(owner, CREATED, key="two")

    assert again == first
    assert again.secret
    assert other != first
    assert len((await desk.ask(owner, m.ListKeys())).items) == 2


async def test_at_the_same_time_too(desk: Office) -> None:
    owner = await desk.tenant("acme")

    replies = await asyncio.gather(*(desk.ask(owner, CREATED, key="one") for _ in range(5)))

    assert len({reply.secret for reply in replies}) == 1
    assert len((await desk.ask(owner, m.ListKeys())).items) == 1


async def test_a_key_that_came_with_another_request_is_refused(desk: Office) -> None:
    owner = await desk.tenant("acme")
    await desk.ask(owner, CREATED, key="one")

    with pytest.raises(Conflict, match="came with another request"):
        await desk.ask(owner, m.CreateKey(label="Other", role=m.MemberRole.AGENT), key="one")


async def test_two_people_do_not_share_their_keys(desk: Office) -> None:
    await desk.tenant("acme")
    await desk.tenant("other")

    first = await desk.ask(member("acme"), CREATED, key="one")
    second = await desk.ask(member("other"), CREATED, key="one")

    assert (first.items[0].tenant, second.items[0].tenant) == ("acme", "other")


async def test_a_refusal_is_not_kept(desk: Office) -> None:
    owner = await desk.tenant("acme")
    with pytest.raises(BadConfiguration):
        await desk.ask(owner, m.CreateAssistant(id="second", config={}), key="one")

    assert await desk.ask(owner, m.CreateAssistant(id="second", config=CONFIG), key="one")


async def test_the_kept_answer_is_sealed(desk: Office) -> None:
    owner = await desk.tenant("acme")
    made = await desk.ask(owner, CREATED, key="one")

    async with desk.engine.connect() as connection:
        (row,) = (await connection.exec_driver_sql("SELECT * FROM idempotency_keys")).mappings()

    assert made.secret not in str(dict(row))
    assert made.secret.encode() not in bytes(row["sealed"])


async def test_an_answer_is_kept_for_a_day(desk: Office) -> None:
    owner = await desk.tenant("acme")
    first = await desk.ask(owner, CREATED, key="one")
    desk.clock.tick(KEPT_US / 1_000_000)

    second = await desk.ask(owner, CREATED, key="one")

    assert second != first
    desk.clock.tick(KEPT_US / 1_000_000)
    replays = Replays(desk.vault)
    await desk.database.write(lambda tx: replays.forget_old(desk.work(tx, ADMIN)))
    async with desk.engine.connect() as connection:
        assert not (await connection.exec_driver_sql("SELECT * FROM idempotency_keys")).all()
