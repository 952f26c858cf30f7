"""A directory file lands in SQL: whole, once, and again when it says something else."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from pydantic import ValidationError

from contracts import messages as m
from router_service.directory import Directory
from router_service.importing import IMPORTER, take_over
from tests.support.office import ADMIN, CONFIG, Office, member

ONE, TWO = "+15550101", "+15550102"
TENANTS: dict[str, Any] = {
    "acme": {
        "name": "Acme",
        "max_concurrent_calls": 4,
        "inbound_reserve": 1,
        "recording_allowed": True,
        "assistants": {"desk": dict(CONFIG)},
        "numbers": {ONE: {"assistant": "desk", "label": "Front", "override": {"language": "de"}}},
    },
    "other": {"name": "Other", "assistants": {"desk": dict(CONFIG)}, "numbers": {TWO: {"assistant": "desk"}}},
}


def a_file() -> dict[str, Any]:
    return copy.deepcopy(TENANTS)


async def imported(desk: Office, tenants: dict[str, Any]) -> list[str]:
    """Import; returns what was told."""
    directory = Directory.model_validate({"tenants": tenants})
    faults = await desk.database.write(lambda tx: take_over(desk.work(tx, IMPORTER), directory))
    return [str(fault) for fault in faults]


async def greeting(desk: Office, tenant: str = "acme") -> object:
    return (await desk.ask(member(tenant), m.GetAssistant(id="desk"))).items[0].config["greeting"]


async def actions(desk: Office) -> list[str]:
    return [entry.action for entry in (await desk.ask(ADMIN, m.ListAudit(limit=200))).items]


async def test_all_that_a_file_says_is_there(desk: Office) -> None:
    assert await imported(desk, a_file()) == []

    assert (await desk.ask(member("acme"), m.GetTenant())).items[0].recording_allowed
    assert not (await desk.ask(member("other"), m.GetTenant())).items[0].recording_allowed
    number = (await desk.ask(member("acme"), m.GetNumber(number=ONE))).items[0]
    assert (number.assistant, number.label, number.override) == ("desk", "Front", {"language": "de"})
    assert number.assigned_by == IMPORTER.subject
    subscription = (await desk.ask(member("acme"), m.GetSubscription())).subscription
    assert (subscription.max_concurrent_calls, subscription.inbound_reserve, subscription.active) == (
        4,
        1,
        True,
    )


async def test_a_file_may_say_what_a_minute_costs(desk: Office) -> None:
    priced = a_file()
    priced["acme"]["price"] = {"per_minute_micros": 90_000, "currency": "USD"}
    await imported(desk, priced)

    def price(tenant: str) -> Any:
        return desk.ask(member(tenant), m.GetSubscription())

    assert (await price("acme")).subscription.price == m.Price(per_minute_micros=90_000, currency="USD")
    assert (await price("other")).subscription.price is None


async def test_a_file_may_say_what_share_a_tenant_has(desk: Office) -> None:
    file = a_file()
    file["acme"]["share"] = 4
    await imported(desk, file)

    async def share(tenant: str) -> Any:
        return (await desk.ask(member(tenant), m.GetSubscription())).subscription.share

    assert (await share("acme"), await share("other")) == (4, 1)
    file["acme"]["share"] = 0
    with pytest.raises(ValidationError, match="share"):
        Directory.model_validate({"tenants": file})


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"currency": "XYZ"}, "'XYZ' is no currency of ISO 4217"),
        ({"per_minute": 9}, "per_minute"),
        ({"per_minute_micros": -1}, "greater than or equal to 0"),
        ({"per_minute_micros": 0.5}, "per_minute_micros"),
        ({"increment_s": 0}, "increment_s"),
    ],
)
def test_a_price_that_cannot_be_is_refused(wrong: dict[str, Any], said: str) -> None:
    priced = a_file()
    priced["acme"]["price"] = {"per_minute_micros": 90_000, "currency": "USD", **wrong}
    with pytest.raises(ValidationError, match=said):
        Directory.model_validate({"tenants": priced})


async def test_the_same_file_changes_nothing_and_what_people_changed_stays(desk: Office) -> None:
    await imported(desk, a_file())
    await desk.ask(member("acme"), m.UpdateAssistant(id="desk", changes={"greeting": "Ours."}))
    before = await actions(desk)

    await imported(desk, a_file())

    assert await greeting(desk) == "Ours."
    assert await actions(desk) == before


async def test_a_changed_file_says_what_it_names_and_leaves_the_rest(desk: Office) -> None:
    await imported(desk, a_file())
    await desk.ask(member("acme"), m.CreateAssistant(id="night", config=CONFIG))
    await desk.number("+15550109", "acme")
    changed = a_file()
    changed["acme"]["assistants"]["desk"]["greeting"] = "From the file."
    changed["acme"]["numbers"][ONE]["max_concurrent_calls"] = 9

    await imported(desk, changed)

    assert await greeting(desk) == "From the file."
    assert await greeting(desk, "other") == CONFIG["greeting"]
    assert (await desk.ask(member("acme"), m.GetNumber(number=ONE))).items[0].max_concurrent_calls == 9
    assert len((await desk.ask(member("acme"), m.ListAssistants())).items) == 2
    assert len((await desk.ask(member("acme"), m.ListNumbers())).items) == 2
    revisions = (await desk.ask(member("acme"), m.ListRevisions(id="desk"))).items
    assert [(one.revision, one.changed_by) for one in revisions] == [(2, "file"), (1, "file")]
    assert (await actions(desk)).count("tenant.imported") == 2, "other did not change"


async def test_a_number_goes_with_the_file_that_brought_it(desk: Office) -> None:
    await imported(desk, a_file())
    await desk.ask(ADMIN, m.AssignNumber(number=TWO), "other")  # the operator took this one over
    without = a_file()
    del without["acme"]["numbers"][ONE], without["other"]["numbers"][TWO]

    await imported(desk, without)

    numbers = (await desk.ask(ADMIN, m.ListNumbers())).items
    assert [(one.number, one.assigned_by) for one in numbers] == [(TWO, ADMIN.subject)]


async def test_a_number_moves_with_the_file(desk: Office) -> None:
    await imported(desk, a_file())
    moved = a_file()
    moved["other"]["numbers"][ONE] = moved["acme"]["numbers"].pop(ONE)

    await imported(desk, moved)

    assert [one.number for one in (await desk.ask(member("other"), m.ListNumbers())).items] == [ONE, TWO]
    assert (await desk.ask(member("acme"), m.ListNumbers())).items == ()


async def test_what_cannot_be_is_told_and_stays_as_it_was(desk: Office) -> None:
    await imported(desk, a_file())
    slips = a_file()
    slips["other"]["numbers"][ONE] = {"assistant": "desk"}
    slips["other"]["numbers"][TWO] = {"assistant": "nobody"}
    slips["platform"] = {"name": "P", "assistants": {}, "numbers": {"+15550103": {"assistant": "x"}}}

    told = await imported(desk, slips)

    assert told == [
        f"{ONE}: belongs to acme and to other (leave it to one of them)",
        f"{TWO}: tenant other has no assistant 'nobody' (use one of: desk)",
        "+15550103: 'platform' stands for what belongs to no tenant (rename the tenant)",
    ]
    numbers = (await desk.ask(ADMIN, m.ListNumbers())).items
    assert [(one.number, one.tenant, one.assistant) for one in numbers] == [
        (ONE, "acme", "desk"),
        (TWO, "other", "desk"),
    ]


async def test_a_closed_tenant_is_not_opened_by_a_file(desk: Office) -> None:
    await imported(desk, a_file())
    await desk.ask(ADMIN, m.DeleteNumber(number=ONE))
    await desk.ask(ADMIN, m.CloseTenant(), "acme")
    changed = a_file()
    changed["acme"]["name"] = "Acme again"

    assert await imported(desk, changed) == [f"{ONE}: 'acme' was closed for good (rename the tenant)"]
