import pytest

from contracts import messages as m
from router_service.errors import BadValue, Conflict, Forbidden, NotFound, Unauthenticated
from tests.support.office import ADMIN, Office, member

PASSWORD = "correct horse battery"


def adding(email: str = "sam@acme.example", role: str = "owner", password: str = PASSWORD) -> m.AddUser:
    return m.AddUser(email=email, name="Sam", role=m.MemberRole(role), password=password)


async def test_a_user_is_added_changed_and_removed(desk: Office) -> None:
    owner = await desk.tenant("acme")
    sam = (await desk.ask(owner, adding("Sam@Acme.Example", "agent"))).items[0]
    assert (sam.email, sam.role, sam.active) == ("sam@acme.example", m.MemberRole.AGENT, True)

    changed = m.UpdateUser(id=sam.id, name="Samantha", role=m.MemberRole.SUPERVISOR)
    assert (await desk.ask(owner, changed)).items[0].name == "Samantha"
    assert (await desk.ask(owner, m.GetUser(id=sam.id))).items[0].role is m.MemberRole.SUPERVISOR
    await desk.ask(owner, m.RemoveUser(id=sam.id))
    with pytest.raises(NotFound):
        await desk.ask(owner, m.GetUser(id=sam.id))


async def test_an_email_is_a_user_once_in_a_tenant_and_apart_in_another(desk: Office) -> None:
    owner = await desk.tenant("acme")
    await desk.tenant("other")
    await desk.ask(owner, adding())

    with pytest.raises(Conflict, match=r"sam@acme\.example is a user of acme"):
        await desk.ask(owner, adding())
    there = (await desk.ask(member("other"), adding(password="another password"))).items[0]

    assert [user.id for user in (await desk.ask(member("other"), m.ListUsers())).items] == [there.id]
    with pytest.raises(NotFound):
        await desk.ask(owner, m.GetUser(id=there.id))


async def test_a_tenant_cannot_sign_in_elsewhere_with_a_password_it_set(desk: Office) -> None:
    await desk.tenant("acme")
    await desk.tenant("other")
    await desk.ask(member("other"), adding(password="set by other!!"))
    await desk.ask(member("acme"), adding(password="set by acme!!!"))

    signed_in = await desk.authentication.sign_in(
        m.SignIn(email="sam@acme.example", password="set by other!!")
    )
    assert signed_in.principal is not None
    assert signed_in.principal.tenant == "other"
    with pytest.raises(Unauthenticated):
        await desk.authentication.sign_in(
            m.SignIn(email="sam@acme.example", password="set by other!!", tenant="acme")
        )


@pytest.mark.parametrize(
    "change",
    [{"role": "agent"}, {"active": False}, None],
    ids=["demoted", "switched off", "removed"],
)
async def test_a_tenant_keeps_an_owner(desk: Office, change: dict[str, object] | None) -> None:
    owner = await desk.tenant("acme")
    first = (await desk.ask(owner, adding("a@acme.example"))).items[0].id
    leave = m.RemoveUser(id=first) if change is None else m.UpdateUser.model_validate({"id": first, **change})

    with pytest.raises(Conflict, match="acme would have no owner"):
        await desk.ask(owner, leave)
    await desk.ask(owner, adding("b@acme.example"))
    await desk.ask(owner, leave)


async def test_ones_own_password_is_changed_by_proving_the_old_one(desk: Office) -> None:
    owner = await desk.tenant("acme")
    sam = (await desk.ask(owner, adding(role="agent"))).items[0]
    oneself = m.Principal(subject=f"user:{sam.id}", tenant="acme", role=m.MemberRole.AGENT)

    with pytest.raises(BadValue, match="was not given"):
        await desk.ask(oneself, m.ChangePassword(password="another password"))
    with pytest.raises(Unauthenticated):
        await desk.ask(oneself, m.ChangePassword(password="another password", current="wrong"))
    await desk.ask(oneself, m.ChangePassword(password="another password", current=PASSWORD))

    signed_in = await desk.authentication.sign_in(m.SignIn(email=sam.email, password="another password"))
    assert signed_in.principal == oneself
    with pytest.raises(Unauthenticated):
        await desk.authentication.sign_in(m.SignIn(email=sam.email, password=PASSWORD))


async def test_an_owner_sets_anothers_password_and_an_agent_does_not(desk: Office) -> None:
    owner = await desk.tenant("acme")
    sam = (await desk.ask(owner, adding(role="agent"))).items[0]
    change = m.ChangePassword(id=sam.id, password="another password")

    with pytest.raises(NotFound):
        await desk.ask(member("acme", m.MemberRole.SUPERVISOR), change)
    await desk.ask(owner, change)
    await desk.ask(ADMIN, change, "acme")

    signed_in = await desk.authentication.sign_in(m.SignIn(email=sam.email, password="another password"))
    assert signed_in.principal is not None


async def test_an_agent_does_not_list_its_colleagues(desk: Office) -> None:
    await desk.tenant("acme")

    with pytest.raises(Forbidden):
        await desk.ask(member("acme", m.MemberRole.AGENT), m.ListUsers())


async def test_no_hash_is_ever_said(desk: Office) -> None:
    owner = await desk.tenant("acme")
    said = [
        await desk.ask(owner, adding()),
        await desk.ask(owner, m.ListUsers()),
        await desk.ask(owner, m.ListAudit()),
    ]

    assert all("argon2" not in reply.model_dump_json() for reply in said)
    assert all(PASSWORD not in reply.model_dump_json() for reply in said)
