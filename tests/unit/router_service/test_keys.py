import pytest

from contracts import messages as m
from router_service.errors import BadValue, NotFound, Unauthenticated
from router_service.keys import digest
from tests.support.office import ADMIN, Office, member


async def test_a_key_is_shown_once_and_opens_until_it_is_revoked(desk: Office) -> None:
    owner = await desk.tenant("acme")
    created = m.CreateKey(label="Website", role=m.MemberRole.AGENT, requests_per_minute=60)
    made = await desk.ask(owner, created)
    key = made.items[0]
    assert made.secret.startswith(key.prefix)
    assert len(made.secret) > 40

    found = await desk.authentication.check_key(m.CheckKey(key=made.secret))
    assert found.principal == m.Principal(subject=f"key:{key.id}", tenant="acme", role=m.MemberRole.AGENT)
    assert found.requests_per_minute == 60
    listed = await desk.ask(owner, m.ListKeys())
    assert listed.items == (key,)
    assert listed.secret is None
    async with desk.engine.connect() as connection:
        (row,) = (await connection.exec_driver_sql("SELECT * FROM api_keys")).mappings()
    assert made.secret not in str(dict(row))
    assert row["digest"] == digest(made.secret)

    revoked = (await desk.ask(owner, m.RevokeKey(id=key.id))).items[0]
    desk.clock.tick(5)
    assert (await desk.ask(owner, m.RevokeKey(id=key.id))).items[0] == revoked
    with pytest.raises(Unauthenticated):
        await desk.authentication.check_key(m.CheckKey(key=made.secret))


async def test_a_key_ends_by_itself(desk: Office) -> None:
    owner = await desk.tenant("acme")
    ends_us = desk.clock.now_us() + 1_000_000
    made = await desk.ask(owner, m.CreateKey(label="Trial", role=m.MemberRole.AGENT, expires_us=ends_us))
    assert (await desk.authentication.check_key(m.CheckKey(key=made.secret))).principal is not None

    desk.clock.tick(1)

    with pytest.raises(Unauthenticated):
        await desk.authentication.check_key(m.CheckKey(key=made.secret))
    with pytest.raises(BadValue, match="expires_us is past"):
        await desk.ask(owner, m.CreateKey(label="Late", role=m.MemberRole.AGENT, expires_us=ends_us))


async def test_an_admins_key_belongs_to_no_tenant(desk: Office) -> None:
    owner = await desk.tenant("acme")
    made = await desk.ask(ADMIN, m.CreateKey(label="Operations"))

    found = await desk.authentication.check_key(m.CheckKey(key=made.secret))
    assert found.principal == m.Principal(subject=f"key:{made.items[0].id}", admin=True)
    assert (await desk.ask(owner, m.ListKeys())).items == ()
    with pytest.raises(NotFound):
        await desk.ask(owner, m.RevokeKey(id=made.items[0].id))


async def test_no_tenant_makes_a_key_of_the_platform(desk: Office) -> None:
    owner = await desk.tenant("acme")

    with pytest.raises(BadValue, match="a tenant's key has a role"):
        await desk.ask(owner, m.CreateKey(label="Clever"))
    with pytest.raises(BadValue, match="an admin's has none"):
        await desk.ask(ADMIN, m.CreateKey(label="Odd", role=m.MemberRole.OWNER))


async def test_keys_are_the_owners(desk: Office) -> None:
    await desk.tenant("acme")
    with pytest.raises(Exception, match="supervisor does not allow CreateKey"):
        await desk.ask(
            member("acme", m.MemberRole.SUPERVISOR), m.CreateKey(label="Up", role=m.MemberRole.OWNER)
        )
