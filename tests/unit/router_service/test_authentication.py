import pytest

from contracts import messages as m
from router_service.authentication import Authentication
from router_service.errors import BadValue, Unauthenticated
from router_service.passwords import Passwords
from tests.support.office import ADMIN, Office, member

PASSWORD = "correct horse battery"
EMAIL = "sam@acme.example"


async def sam(desk: Office, tenant: str = "acme", password: str = PASSWORD) -> m.UserView:
    owner = await desk.tenant(tenant)
    added = m.AddUser(email=EMAIL, name="Sam", role=m.MemberRole.OWNER, password=password)
    user: m.UserView = (await desk.ask(owner, added)).items[0]
    return user


async def test_the_right_password_opens_and_says_where(desk: Office) -> None:
    user = await sam(desk)

    found = await desk.authentication.sign_in(m.SignIn(email="SAM@acme.example", password=PASSWORD))

    assert found.principal == m.Principal(subject=f"user:{user.id}", tenant="acme", role=m.MemberRole.OWNER)
    assert [place.tenant for place in found.memberships] == ["acme"]


@pytest.mark.parametrize(
    "attempt",
    [
        m.SignIn(email=EMAIL, password="wrong"),
        m.SignIn(email=EMAIL, password=""),
        m.SignIn(email="nobody@acme.example", password=PASSWORD),
        m.SignIn(email="' OR 1=1 --", password=PASSWORD),
        m.SignIn(email=EMAIL, password=PASSWORD, tenant="other"),
        m.SignIn(email=EMAIL, password="the password of nobody"),
        m.SignIn(email="nobody@acme.example", password="the password of nobody"),
    ],
)
async def test_everything_else_is_refused_in_one_voice(desk: Office, attempt: m.SignIn) -> None:
    await sam(desk)

    with pytest.raises(Unauthenticated) as refused:
        await desk.authentication.sign_in(attempt)

    assert str(refused.value) == str(Unauthenticated())


async def test_who_belongs_to_two_with_one_password_says_which(desk: Office) -> None:
    await sam(desk)
    await sam(desk, "other")

    with pytest.raises(BadValue, match="several tenants"):
        await desk.authentication.sign_in(m.SignIn(email=EMAIL, password=PASSWORD))
    found = await desk.authentication.sign_in(m.SignIn(email=EMAIL, password=PASSWORD, tenant="other"))

    assert found.principal is not None
    assert found.principal.tenant == "other"


async def test_a_hash_of_old_parameters_is_made_anew(desk: Office) -> None:
    user = await sam(desk)
    newer = Authentication(desk.database, Passwords(memory_kib=16, rounds=2), desk.clock.now_us)

    for _ in range(2):
        assert (await newer.sign_in(m.SignIn(email=EMAIL, password=PASSWORD))).error is None

    async with desk.engine.connect() as connection:
        (hashed,) = (await connection.exec_driver_sql("SELECT password_hash FROM users")).scalars()
    assert hashed.startswith("$argon2id$")
    assert "m=16,t=2" in hashed
    assert user.id


async def test_what_was_established_is_looked_at_again(desk: Office) -> None:
    user = await sam(desk)
    signed_in = await desk.authentication.sign_in(m.SignIn(email=EMAIL, password=PASSWORD))
    assert signed_in.principal is not None
    again = m.CheckPrincipal(principal=signed_in.principal)
    assert (await desk.authentication.check_principal(again)).principal == signed_in.principal

    await desk.ask(
        member("acme"), m.AddUser(email="b@b.bb", name="B", role=m.MemberRole.OWNER, password=PASSWORD)
    )
    await desk.ask(member("acme"), m.UpdateUser(id=user.id, role=m.MemberRole.AGENT))
    demoted = await desk.authentication.check_principal(again)
    assert demoted.principal is not None
    assert demoted.principal.role is m.MemberRole.AGENT

    await desk.ask(member("acme"), m.UpdateUser(id=user.id, active=False))
    with pytest.raises(Unauthenticated):
        await desk.authentication.check_principal(again)


async def test_a_key_is_looked_at_again(desk: Office) -> None:
    await desk.tenant("acme")
    made = await desk.ask(ADMIN, m.CreateKey(label="x", role=m.MemberRole.AGENT), "acme")
    principal = (await desk.authentication.check_key(m.CheckKey(key=made.secret))).principal
    assert principal is not None
    again = m.CheckPrincipal(principal=principal)
    assert (await desk.authentication.check_principal(again)).principal == principal

    elsewhere = principal.model_copy(update={"tenant": "other"})
    with pytest.raises(Unauthenticated):
        await desk.authentication.check_principal(m.CheckPrincipal(principal=elsewhere))
    await desk.ask(ADMIN, m.RevokeKey(id=made.items[0].id), "acme")
    with pytest.raises(Unauthenticated):
        await desk.authentication.check_principal(again)


@pytest.mark.parametrize("subject", ["user:nobody", "key:nobody", "cli", "user:", "root:1"])
async def test_a_subject_that_nobody_has_is_refused(desk: Office, subject: str) -> None:
    principal = m.Principal(subject=subject, admin=True)

    with pytest.raises(Unauthenticated):
        await desk.authentication.check_principal(m.CheckPrincipal(principal=principal))


@pytest.mark.parametrize("key", ["", "tlk_", "tlk_guess", "' OR ''='"])
async def test_a_key_that_nobody_has_is_refused(desk: Office, key: str) -> None:
    with pytest.raises(Unauthenticated):
        await desk.authentication.check_key(m.CheckKey(key=key))
