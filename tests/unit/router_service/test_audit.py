import pytest
from sqlalchemy.exc import DBAPIError

from contracts import messages as m
from tests.support.office import ADMIN, Office, member


async def test_every_change_leaves_an_entry_and_no_look_does(desk: Office) -> None:
    owner = await desk.tenant("acme")
    await desk.number("+15550100", "acme")
    await desk.ask(owner, m.UpdateNumber(number="+15550100", label="Orders"))
    await desk.ask(owner, m.ListNumbers())
    with pytest.raises(Exception, match="no setting"):
        await desk.ask(owner, m.UpdateNumber(number="+15550100", override={"x": 1}))

    found = (await desk.ask(owner, m.ListAudit())).items

    assert [(entry.action, entry.target, entry.actor) for entry in found] == [
        ("number.configured", "+15550100", owner.subject),
        ("number.assigned", "+15550100", "test"),
        ("assistant.created", "desk", "test"),
        ("tenant.created", "acme", "test"),
    ]
    assert found[0].detail == {"label": "Orders"}
    assert {entry.tenant for entry in found} == {"acme"}


async def test_the_log_is_read_by_target_and_in_pages(desk: Office) -> None:
    owner = await desk.tenant("acme")
    for at in range(5):
        await desk.ask(owner, m.UpdateAssistant(id="desk", changes={"prompt": str(at)}))

    first = await desk.ask(owner, m.ListAudit(target="desk", limit=4))
    rest = await desk.ask(owner, m.ListAudit(target="desk", limit=4, after=first.next))

    assert [entry.detail["revision"] for entry in (*first.items, *rest.items)] == [6, 5, 4, 3, 2, 1]
    assert rest.next is None


async def test_a_tenant_reads_its_own_log_and_an_admin_all(desk: Office) -> None:
    await desk.tenant("acme")
    await desk.tenant("other")

    assert {entry.tenant for entry in (await desk.ask(member("other"), m.ListAudit())).items} == {"other"}
    assert {entry.tenant for entry in (await desk.ask(ADMIN, m.ListAudit())).items} == {"acme", "other"}


@pytest.mark.parametrize("change", ["UPDATE audit_log SET actor = 'nobody'", "DELETE FROM audit_log"])
async def test_the_database_refuses_to_rewrite_the_log(desk: Office, change: str) -> None:
    await desk.tenant("acme")

    with pytest.raises(DBAPIError, match="the audit log is only added to"):
        async with desk.engine.begin() as connection:
            await connection.exec_driver_sql(change)

    assert len((await desk.ask(ADMIN, m.ListAudit())).items) == 2
