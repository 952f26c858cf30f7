import asyncio
from typing import Any

import pytest

from contracts import messages as m
from router_service.errors import BadConfiguration, Conflict, NotFound
from tests.support.office import ADMIN, CONFIG, Office, member


async def test_every_change_is_a_revision_that_can_be_restored(desk: Office) -> None:
    owner = await desk.tenant("acme")
    supervisor = member("acme", m.MemberRole.SUPERVISOR)
    changes: dict[str, Any] = {"greeting": "Hello.", "voice": {"name": "joe"}, "prompt": "Be kind."}
    changed = (await desk.ask(supervisor, m.UpdateAssistant(id="desk", changes=changes))).items[0]
    assert (changed.revision, changed.changed_by) == (2, supervisor.subject)
    assert changed.config == {**CONFIG, **changes}

    found = (await desk.ask(owner, m.ListRevisions(id="desk"))).items
    assert [(item.revision, item.changed_by) for item in found] == [(2, supervisor.subject), (1, "test")]

    restored = (await desk.ask(owner, m.RestoreRevision(id="desk", revision=1))).items[0]
    assert (restored.revision, restored.config) == (3, CONFIG)
    with pytest.raises(NotFound, match="no revision 'desk/9'"):
        await desk.ask(owner, m.RestoreRevision(id="desk", revision=9))


async def test_revisions_come_in_pages_newest_first(desk: Office) -> None:
    owner = await desk.tenant("acme")
    for at in range(11):
        await desk.ask(owner, m.UpdateAssistant(id="desk", changes={"prompt": str(at)}))

    first = await desk.ask(owner, m.ListRevisions(id="desk", limit=7))
    rest = await desk.ask(owner, m.ListRevisions(id="desk", limit=7, after=first.next))

    assert [item.revision for item in (*first.items, *rest.items)] == list(range(12, 0, -1))
    with pytest.raises(NotFound):
        await desk.ask(owner, m.ListRevisions(id="nobody"))


async def test_a_cursor_that_is_none_leads_nowhere(desk: Office) -> None:
    owner = await desk.tenant("acme")

    assert (await desk.ask(owner, m.ListRevisions(id="desk", after="'; DROP TABLE"))).items == ()


async def test_null_removes_a_setting(desk: Office) -> None:
    owner = await desk.tenant("acme", farewell="Bye.")

    changed = (await desk.ask(owner, m.UpdateAssistant(id="desk", changes={"farewell": None}))).items[0]

    assert "farewell" not in changed.config


async def test_who_was_slower_is_told(desk: Office) -> None:
    owner = await desk.tenant("acme")
    slow = m.UpdateAssistant(id="desk", changes={"prompt": "slow"}, if_revision=1)
    await desk.ask(owner, m.UpdateAssistant(id="desk", changes={"prompt": "fast"}, if_revision=1))

    with pytest.raises(Conflict, match="desk is at revision 2, not 1"):
        await desk.ask(owner, slow)


async def test_changes_at_the_same_time_all_count(desk: Office) -> None:
    owner = await desk.tenant("acme")
    fields = ["prompt", "greeting", "farewell", "apology", "name", "language"]
    values = dict(zip(fields, ["p", "g", "f", "a", "n", "it"], strict=True))

    await asyncio.gather(
        *(
            desk.ask(owner, m.UpdateAssistant(id="desk", changes={key: value}))
            for key, value in values.items()
        )
    )

    found = (await desk.ask(owner, m.GetAssistant(id="desk"))).items[0]
    assert found.config == values
    assert found.revision == 1 + len(fields)


async def test_of_two_that_create_the_same_one_wins(desk: Office) -> None:
    await desk.tenant("acme")
    again = m.CreateAssistant(id="second", config=CONFIG)

    results = await asyncio.gather(
        *(desk.ask(ADMIN, again, "acme") for _ in range(4)), return_exceptions=True
    )

    assert sum(isinstance(result, m.AssistantsReply) for result in results) == 1
    assert sum(isinstance(result, Conflict) for result in results) == 3


@pytest.mark.parametrize(
    ("config", "fault"),
    [
        ({}, "name: Field required"),
        ({**CONFIG, "greting": "x"}, "no setting 'greting'"),
        ({**CONFIG, "id": "other"}, "no setting 'id'"),
        ({**CONFIG, "memory_turns": -1}, "memory_turns"),
    ],
)
async def test_a_configuration_that_does_not_hold_is_not_kept(
    desk: Office, config: dict[str, Any], fault: str
) -> None:
    owner = await desk.tenant("acme")

    with pytest.raises(BadConfiguration, match=fault):
        await desk.ask(owner, m.CreateAssistant(id="second", config=config))
    assert [item.id for item in (await desk.ask(owner, m.ListAssistants())).items] == ["desk"]


async def test_a_change_that_would_break_a_number_is_refused_naming_it(desk: Office) -> None:
    owner = await desk.tenant("acme", escalation={"keywords": ["lawyer"], "queue": "legal"})
    await desk.number("+15550100", "acme")
    to_number: dict[str, Any] = {"escalation": {"number": "+15550199", "queue": None}}
    await desk.ask(owner, m.UpdateNumber(number="+15550100", override=to_number))

    with pytest.raises(BadConfiguration, match=r"with the override of \+15550100, .*escalation.keywords"):
        await desk.ask(owner, m.UpdateAssistant(id="desk", changes={"escalation": None}))


async def test_an_assistant_in_use_is_not_deleted_and_a_deleted_one_leaves_its_revisions(
    desk: Office,
) -> None:
    owner = await desk.tenant("acme")
    await desk.number("+15550100", "acme")
    with pytest.raises(Conflict, match=r"\+15550100 is answered by desk"):
        await desk.ask(owner, m.DeleteAssistant(id="desk"))
    await desk.ask(ADMIN, m.DeleteNumber(number="+15550100"))

    await desk.ask(owner, m.DeleteAssistant(id="desk"))

    with pytest.raises(NotFound):
        await desk.ask(owner, m.GetAssistant(id="desk"))
    assert [item.revision for item in (await desk.ask(owner, m.ListRevisions(id="desk"))).items] == [2, 1]
    again = (await desk.ask(owner, m.CreateAssistant(id="desk", config=CONFIG))).items[0]
    assert again.revision == 3
