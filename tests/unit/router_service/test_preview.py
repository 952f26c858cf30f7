from typing import Any

import pytest

from contracts import messages as m
from router_service.errors import BadConfiguration, BadValue, Conflict, NotFound
from tests.support.office import Office, member

NUMBER = "+15550100"


async def preview(desk: Office, tenant: str = "acme", **asked: Any) -> m.PreviewReply:
    return await desk.desk.preview(m.PreviewRequest(principal=member(tenant), **asked))


async def test_a_number_is_previewed_as_it_would_be_published(desk: Office) -> None:
    owner = await desk.tenant("acme")
    await desk.number(NUMBER, "acme")
    await desk.ask(owner, m.UpdateNumber(number=NUMBER, override={"voice": {"name": "joe"}}))

    found = await preview(desk, number=NUMBER, changes={"greeting": "Hello.", "voice": {"speed": 1.2}})

    assert found.assistant is not None
    assert found.snapshot is not None
    assert found.snapshot.assistant == found.assistant
    assert (found.assistant.greeting, found.assistant.voice) == ("Hello.", m.Voice(name="joe", speed=1.2))
    assert (found.snapshot.tenant, found.snapshot.tenant_max_concurrent_calls) == ("acme", 10)
    kept = (await desk.ask(owner, m.GetAssistant(id="desk"))).items[0]
    assert kept.config["greeting"] == "Good morning."
    assert kept.revision == 1


async def test_an_assistant_is_previewed_alone_and_an_override_tried(desk: Office) -> None:
    await desk.tenant("acme")
    await desk.number(NUMBER, "acme")

    alone = await preview(desk, assistant="desk")
    tried = await preview(desk, number=NUMBER, assistant="desk", override={"language": "it"})

    assert alone.snapshot is None
    assert alone.assistant is not None
    assert alone.assistant.language == "en-US"
    assert tried.assistant is not None
    assert tried.assistant.language == "it"


async def test_a_preview_is_repeated_with_its_key_as_it_was(desk: Office) -> None:
    owner = await desk.tenant("acme")
    first = await preview(desk, assistant="desk", idempotency_key="one")
    await desk.ask(owner, m.UpdateAssistant(id="desk", changes={"greeting": "Hello."}))

    assert await preview(desk, assistant="desk", idempotency_key="one") == first
    assert await preview(desk, assistant="desk", idempotency_key="two") != first
    with pytest.raises(Conflict):
        await preview(desk, assistant="desk", changes={"greeting": "Hi."}, idempotency_key="one")


@pytest.mark.parametrize(
    ("asked", "fault"),
    [
        ({"changes": {"greting": "x"}}, "changes: there is no setting 'greting'"),
        ({"override": {"greting": "x"}}, "override: there is no setting 'greting'"),
        ({"override": {"voice": {"speed": 9}}}, "voice.speed"),
    ],
)
async def test_what_saving_would_refuse_is_refused(desk: Office, asked: dict[str, Any], fault: str) -> None:
    await desk.tenant("acme")

    with pytest.raises(BadConfiguration, match=fault):
        await preview(desk, assistant="desk", **asked)


async def test_something_must_be_named_and_be_ones_own(desk: Office) -> None:
    await desk.tenant("acme")
    await desk.tenant("other")
    await desk.number(NUMBER, "other")
    await desk.number("+15550101", "acme", assistant=None)

    with pytest.raises(BadValue, match="neither an assistant nor a number"):
        await preview(desk)
    with pytest.raises(BadValue, match="has no assistant"):
        await preview(desk, number="+15550101")
    with pytest.raises(NotFound):
        await preview(desk, number=NUMBER)
    with pytest.raises(NotFound):
        await preview(desk, tenant="acme", assistant="nobody")
