from typing import Any

import pytest

from contracts import messages as m
from router_service.errors import BadConfiguration, BadValue, Conflict, Forbidden, NotFound
from tests.support.office import ADMIN, Office, member

NUMBER = "+15550100"


async def test_a_number_is_created_in_stock_assigned_moved_and_freed(desk: Office) -> None:
    await desk.tenant("acme")
    await desk.tenant("other")
    stock = (await desk.ask(ADMIN, m.CreateNumber(number="+1 555-0100", label="Spare"))).items[0]
    assert (stock.number, stock.tenant, stock.assistant, stock.label) == (NUMBER, None, None, "Spare")

    desk.clock.tick(60)
    given = (await desk.ask(ADMIN, m.AssignNumber(number=NUMBER, assistant="desk"), "acme")).items[0]
    assert (given.tenant, given.assistant, given.label) == ("acme", "desk", "Spare")
    assert (given.assigned_by, given.assigned_at_us) == (ADMIN.subject, desk.clock.now_us())
    await desk.ask(member("acme"), m.UpdateNumber(number=NUMBER, label="Ours", override={"language": "de"}))

    moved = (await desk.ask(ADMIN, m.AssignNumber(number=NUMBER), "other")).items[0]
    assert (moved.tenant, moved.assistant, moved.label, moved.override) == ("other", None, "", {})
    freed = (await desk.ask(ADMIN, m.AssignNumber(number=NUMBER))).items[0]
    assert (freed.tenant, freed.assigned_by, freed.assigned_at_us) == (None, None, None)
    await desk.ask(ADMIN, m.DeleteNumber(number=NUMBER))
    with pytest.raises(NotFound):
        await desk.ask(ADMIN, m.GetNumber(number=NUMBER))


async def test_a_number_has_one_tenant(desk: Office) -> None:
    await desk.tenant("acme")
    await desk.tenant("other")
    await desk.number(NUMBER, "acme")

    with pytest.raises(Conflict, match=r"\+15550100 is there already"):
        await desk.number("+1 555 0100", "other")


async def test_assigning_to_the_same_tenant_keeps_what_it_set(desk: Office) -> None:
    owner = await desk.tenant("acme")
    await desk.number(NUMBER, "acme")
    await desk.ask(owner, m.UpdateNumber(number=NUMBER, label="Ours", override={"language": "de"}))

    again = (await desk.ask(ADMIN, m.AssignNumber(number=NUMBER), "acme")).items[0]

    assert (again.assistant, again.label, again.override) == ("desk", "Ours", {"language": "de"})


async def test_a_tenant_configures_its_own(desk: Office) -> None:
    owner = await desk.tenant("acme")
    await desk.number(NUMBER, "acme")

    changed = m.UpdateNumber(number=NUMBER, label="Orders", override={"greeting": "Orders."}, active=False)
    view = (await desk.ask(owner, changed)).items[0]
    assert (view.label, view.override, view.active) == ("Orders", {"greeting": "Orders."}, False)

    view = (await desk.ask(owner, m.UpdateNumber(number=NUMBER, override={}))).items[0]
    assert (view.label, view.override, view.active) == ("Orders", {}, False)


async def test_the_limit_is_the_operators(desk: Office) -> None:
    owner = await desk.tenant("acme")
    await desk.number(NUMBER, "acme")
    raised = m.UpdateNumber(number=NUMBER, max_concurrent_calls=500)

    with pytest.raises(Forbidden, match="the limit of a number is the operator's"):
        await desk.ask(owner, raised)
    assert (await desk.ask(ADMIN, raised)).items[0].max_concurrent_calls == 500


@pytest.mark.parametrize(
    ("override", "fault"),
    [
        ({"greting": "Hi"}, "no setting 'greting'"),
        ({"voice": {"speed": 9}}, "voice.speed"),
        ({"greeting": None}, "greeting: Field required"),
    ],
)
async def test_an_override_that_does_not_hold_changes_nothing(
    desk: Office, override: dict[str, Any], fault: str
) -> None:
    owner = await desk.tenant("acme")
    before = await desk.number(NUMBER, "acme")

    with pytest.raises(BadConfiguration, match=fault):
        await desk.ask(owner, m.UpdateNumber(number=NUMBER, label="New", override=override))

    assert (await desk.ask(owner, m.GetNumber(number=NUMBER))).items[0] == before


async def test_another_tenants_assistant_is_not_there(desk: Office) -> None:
    owner = await desk.tenant("acme")
    await desk.tenant("other")
    secret = m.CreateAssistant(id="secret", config={"name": "S", "greeting": "S", "prompt": "S"})
    await desk.ask(member("other"), secret)
    await desk.number(NUMBER, "acme")

    with pytest.raises(NotFound, match="no assistant 'secret'"):
        await desk.ask(owner, m.UpdateNumber(number=NUMBER, assistant="secret"))


@pytest.mark.parametrize("operation", [m.GetNumber, m.UpdateNumber])
async def test_anothers_number_is_as_one_that_is_not_there(desk: Office, operation: Any) -> None:
    owner = await desk.tenant("acme")
    await desk.tenant("other")
    await desk.number(NUMBER, "other")
    await desk.number("+15550102", None)

    for number in (NUMBER, "+15550102", "+15550103"):
        with pytest.raises(NotFound) as refused:
            await desk.ask(owner, operation(number=number))
        assert refused.value.message == f"there is no number {number!r}"


async def test_what_is_nobodys_cannot_be_configured(desk: Office) -> None:
    await desk.number(NUMBER, None)

    with pytest.raises(BadValue, match="is nobody's"):
        await desk.ask(ADMIN, m.UpdateNumber(number=NUMBER, override={"greeting": "x"}))
    with pytest.raises(BadValue, match="assistant without a tenant"):
        await desk.ask(ADMIN, m.AssignNumber(number=NUMBER, assistant="desk"))
    with pytest.raises(BadValue, match="assistant without a tenant"):
        await desk.ask(ADMIN, m.CreateNumber(number="+15550101", assistant="desk"))


async def test_numbers_are_listed_by_whose_they_are_and_in_pages(desk: Office) -> None:
    owner = await desk.tenant("acme")
    await desk.tenant("other")
    for at in range(5):
        await desk.number(f"+1555010{at}", "acme" if at % 2 else "other")
    await desk.number("+15550109", None)

    own = (await desk.ask(owner, m.ListNumbers())).items
    assert [(item.number, item.tenant, item.assistant) for item in own] == [
        ("+15550101", "acme", "desk"),
        ("+15550103", "acme", "desk"),
    ]
    first = await desk.ask(ADMIN, m.ListNumbers(limit=4))
    rest = await desk.ask(ADMIN, m.ListNumbers(limit=4, after=first.next))
    assert [item.number[-1] for item in (*first.items, *rest.items)] == list("012349")
    assert rest.next is None
    assert rest.items[-1].tenant is None


async def test_a_broken_configuration_does_not_hinder_switching_off(desk: Office) -> None:
    owner = await desk.tenant("acme")
    await desk.number(NUMBER, "acme")
    async with desk.engine.begin() as connection:
        await connection.exec_driver_sql("""UPDATE numbers SET override = '{"voice": {"speed": 9}}'""")

    assert not (await desk.ask(owner, m.UpdateNumber(number=NUMBER, active=False))).items[0].active
