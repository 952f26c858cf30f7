import pytest

from contracts import messages as m
from router_service.errors import BadValue, Conflict, Forbidden, NotFound
from tests.support.office import ADMIN, CONFIG, Office, member


async def test_a_tenant_is_made_seen_and_renamed(desk: Office) -> None:
    owner = await desk.tenant("acme")

    assert (await desk.ask(owner, m.GetTenant())).items[0].name == "Acme"
    assert (await desk.ask(owner, m.UpdateTenant(name="Acme Ltd"))).items[0].name == "Acme Ltd"
    allowed = (await desk.ask(owner, m.UpdateTenant(recording_allowed=True))).items[0]
    assert (allowed.name, allowed.recording_allowed) == ("Acme Ltd", True)
    assert (await desk.ask(ADMIN, m.GetTenant(), "acme")).items[0] == allowed


async def test_a_slug_is_given_once(desk: Office) -> None:
    await desk.tenant("acme")

    with pytest.raises(Conflict, match="'acme' is or was taken"):
        await desk.ask(ADMIN, m.CreateTenant(slug="acme", name="Another"))


async def test_the_platforms_own_slug_is_nobodys(desk: Office) -> None:
    with pytest.raises(BadValue, match="'platform'"):
        await desk.ask(ADMIN, m.CreateTenant(slug="platform", name="Clever"))


async def test_an_unknown_plan_names_those_there_are(desk: Office) -> None:
    with pytest.raises(BadValue, match=r"no plan 'gold'.*standard"):
        await desk.ask(ADMIN, m.CreateTenant(slug="acme", name="Acme", plan="gold"))


async def test_a_closed_tenant_leaves_nothing_but_the_log(desk: Office) -> None:
    owner = await desk.tenant("acme")
    await desk.ask(
        owner, m.AddUser(email="a@b.c", name="A", role=m.MemberRole.OWNER, password="a long password")
    )
    await desk.ask(owner, m.PutCredential(provider="openai", secret="s"))
    key = (await desk.ask(owner, m.CreateKey(label="site", role=m.MemberRole.AGENT))).secret
    await desk.number("+15550100", "acme")

    with pytest.raises(Conflict, match=r"acme still has numbers such as \+15550100"):
        await desk.ask(ADMIN, m.CloseTenant(), "acme")
    await desk.ask(ADMIN, m.AssignNumber(number="+15550100"))
    await desk.ask(ADMIN, m.CloseTenant(), "acme")

    with pytest.raises(NotFound):
        await desk.ask(owner, m.GetTenant())
    with pytest.raises(Exception, match="not valid"):
        await desk.authentication.check_key(m.CheckKey(key=key))
    with pytest.raises(Conflict, match="is or was taken"):
        await desk.ask(ADMIN, m.CreateTenant(slug="acme", name="Heir"))
    assert (await desk.ask(ADMIN, m.ListTenants())).items == ()
    actions = [entry.action for entry in (await desk.ask(ADMIN, m.ListAudit())).items]
    assert actions[0] == "tenant.closed"
    assert "key.created" in actions


async def test_tenants_come_in_pages(desk: Office) -> None:
    for slug in ("delta", "alpha", "charlie", "bravo", "echo"):
        await desk.ask(ADMIN, m.CreateTenant(slug=slug, name=slug))

    seen: list[str] = []
    cursor = None
    while True:
        reply = await desk.ask(ADMIN, m.ListTenants(after=cursor, limit=2))
        seen += [item.slug for item in reply.items]
        cursor = reply.next
        if cursor is None:
            break

    assert seen == ["alpha", "bravo", "charlie", "delta", "echo"]


async def test_a_member_lists_its_own_tenant_only(desk: Office) -> None:
    await desk.tenant("acme")
    await desk.tenant("other")

    assert [item.slug for item in (await desk.ask(member("acme"), m.ListTenants())).items] == ["acme"]


async def test_anothers_tenant_is_as_one_that_is_not_there(desk: Office) -> None:
    owner = await desk.tenant("acme")
    await desk.tenant("other")
    operations = [
        m.GetTenant(),
        m.UpdateTenant(name="Mine"),
        m.ListNumbers(),
        m.ListAssistants(),
        m.GetAssistant(id="desk"),
        m.CreateAssistant(id="spy", config=CONFIG),
        m.UpdateAssistant(id="desk", changes={"name": "Mine"}),
        m.DeleteAssistant(id="desk"),
        m.ListUsers(),
        m.ListKeys(),
        m.CreateKey(label="spy", role=m.MemberRole.OWNER),
        m.ListCredentials(),
        m.PutCredential(provider="openai", secret="mine"),
        m.GetSubscription(),
        m.ListAudit(),
    ]

    for operation in operations:
        for tenant in ("other", "nobody"):
            with pytest.raises(NotFound) as refused:
                await desk.ask(owner, operation, tenant)
            assert refused.value.message == f"there is no tenant {tenant!r}", operation


@pytest.mark.parametrize(
    "operation",
    [m.CreateTenant(slug="mine", name="Mine"), m.CloseTenant(), m.PutSubscription(plan="standard")],
    ids=lambda operation: type(operation).__name__,
)
async def test_what_is_the_operators_no_owner_may(desk: Office, operation: m.Message) -> None:
    owner = await desk.tenant("acme")

    with pytest.raises(Forbidden, match="role owner"):
        await desk.ask(owner, operation)


async def test_an_admin_says_whose_things_it_is_about(desk: Office) -> None:
    with pytest.raises(BadValue, match="no tenant is named"):
        await desk.ask(ADMIN, m.ListAssistants())
