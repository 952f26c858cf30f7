"""Somebody of another tenant tries every operation of the API on what is not his: it is not there for him."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import pytest

from contracts import messages as m
from gateway_service.rest.web import description
from tests.support.resting import PASSWORD, Api, Resting, everything
from tests.unit.analytics_service.asking import publish
from tests.unit.analytics_service.stories import CallStory, call_ref

CONFIG: Final = {"name": "Taken", "greeting": "Taken over.", "prompt": "Taken over."}
BODIES: Final[dict[str, Any]] = {
    "PATCH /v1/tenants/{slug}": {"name": "taken"},
    "POST /v1/users": {"email": "x@example.com", "name": "X", "role": "owner", "password": PASSWORD},
    "PATCH /v1/users/{id}": {"role": "owner", "active": False},
    "PUT /v1/users/{id}/password": {"password": PASSWORD},
    "POST /v1/numbers": {"number": "+12025550188"},
    "PATCH /v1/numbers/{number}": {"label": "taken", "override": {"greeting": "Taken over."}},
    "PUT /v1/numbers/{number}/assignment": {"tenant": "thief", "assistant": "desk"},
    "POST /v1/numbers/{number}/preview": {},
    "POST /v1/assistants": {"id": "planted", "config": CONFIG},
    "PATCH /v1/assistants/{id}": {"greeting": "Taken over."},
    "POST /v1/assistants/{id}/restore": {"revision": 1},
    "POST /v1/assistants/{id}/preview": {},
    "POST /v1/credentials": {"provider": "openai", "secret": "planted"},
    "POST /v1/keys": {"label": "planted", "role": "owner"},
    "POST /v1/media-tokens": {"to": "+12025550101", "from": "+12025550177"},
    "PUT /v1/subscription": {"plan": "standard", "active": False},
}
ABOUT_NOBODY: Final = {
    "POST /v1/token",
    "POST /webhooks/twilio/voice",
    "POST /webhooks/twilio/status",
    "GET /v1/me",
    "PUT /v1/me/password",
    "GET /v1/tenants",
    "POST /v1/tenants",
    "GET /v1/plans",
    "PUT /v1/plans/{slug}",
    "GET /v1/health/live",
    "GET /v1/health/ready",
}
"""What takes no id and names no tenant."""


@dataclass
class Belongings:
    """A tenant and all it has."""

    owner: Api
    names: dict[str, str]

    def path(self, template: str) -> str:
        resource = template.split("/")[2]
        name = self.names.get(resource, "")
        for parameter in ("{slug}", "{id}", "{number}"):
            template = template.replace(parameter, quote(name, safe=""))
        return template.removeprefix("/v1")

    async def seen(self) -> list[Any]:
        """All that its owner can see."""
        looks = ["/tenants", "/users", "/numbers", "/assistants", "/credentials", "/keys"]
        looks += ["/subscription", "/usage", "/calls", "/audit?limit=200"]
        looks += ["/assistants/only-here/revisions", f"/calls/{self.names['calls']}/transcript"]
        return [await self.owner.done("GET", look) for look in looks]


@pytest.fixture
async def there(nats_url: str, tmp_path: Path) -> AsyncIterator[Resting]:
    async with everything(nats_url, tmp_path) as opened:
        yield opened


async def furnish(there: Resting, slug: str, number: str, seed: int) -> Belongings:
    owner = await there.tenant(slug)
    query = {"tenant": slug}
    await there.admin.done("POST", "/numbers", {"number": number, "assistant": "desk"}, params=query)
    await owner.done("POST", "/assistants", {"id": "only-here", "config": CONFIG})
    person = {"email": f"{slug}@example.com", "name": "P", "role": "agent", "password": PASSWORD}
    user = await owner.done("POST", "/users", person)
    secret = {"provider": "openai", "secret": f"the secret of {slug}"}
    credential = await owner.done("POST", "/credentials", secret)
    key = (await owner.done("GET", "/keys"))["items"][0]
    story = CallStory(call_ref(seed, slug))
    story.start()
    story.turn(1, f"A question to {slug}")
    await publish(there.bus.bus, story.told)
    names = {"users": user["id"], "numbers": number, "assistants": "only-here", "tenants": slug}
    names |= {"keys": key["id"], "credentials": credential["id"], "calls": story.ref.call}
    return Belongings(owner, names)


async def recorded(belongings: Belongings) -> None:
    """Return once analytics has the call."""
    path = f"/calls/{belongings.names['calls']}/transcript"
    while not (answer := await belongings.owner("GET", path)).is_success or not answer.json()["items"]:
        assert answer.status_code in (200, 404), answer.text


def operations() -> list[str]:
    return [
        f"{method.upper()} {path}" for path, methods in description()["paths"].items() for method in methods
    ]


def test_every_operation_is_tried_or_is_about_nobody() -> None:
    assert set(BODIES) | ABOUT_NOBODY <= set(operations())


@pytest.mark.parametrize("role", m.MemberRole)
async def test_no_operation_reaches_into_another_tenant(there: Resting, role: m.MemberRole) -> None:
    victim = await furnish(there, "victim", "+12025550101", 1)
    await there.tenant("thief")
    thief = await there.owner("thief", role)
    await recorded(victim)
    before = await victim.seen()

    for operation in operations():
        if operation in ABOUT_NOBODY:
            continue
        method, template = operation.split(" ")
        path, named = victim.path(template), "{" in template
        takes_tenant = not template.startswith("/v1/tenants") and not template.endswith("/assignment")
        for query in ({}, {"tenant": "victim"}) if takes_tenant else ({},):
            if not named and not query:
                continue  # about the thief's own
            answer = await thief(method, path, BODIES.get(operation), params=query)
            assert answer.status_code in (403, 404), (operation, query, answer.text)
            assert answer.headers["content-type"] == "application/problem+json"
            if answer.status_code == 403:
                assert role.value in answer.json()["detail"], (operation, answer.text)
            for word in ("the secret", "question to victim", victim.names["users"] + '"'):
                assert word not in answer.text

    assert await victim.seen() == before


async def test_what_is_somebody_elses_is_refused_in_the_words_for_what_nobody_has(there: Resting) -> None:
    victim = await furnish(there, "victim", "+12025550101", 1)
    thief = await there.tenant("thief")
    await recorded(victim)
    gone = call_ref(99).call
    for template, nobodys in (
        ("/users/{}", gone),
        ("/numbers/{}", "+12025550199"),
        ("/calls/{}", gone),
        ("/calls/{}/transcript", gone),
        ("/tenants/{}", "nobody"),
    ):
        there_is = victim.names[template.split("/")[1]]
        found = await thief("GET", template.format(quote(there_is)))
        missing = await thief("GET", template.format(quote(nobodys)))
        assert found.status_code == missing.status_code == 404, template
        assert found.json()["detail"].replace(there_is, "") == missing.json()["detail"].replace(nobodys, "")


async def test_an_admin_looks_into_the_tenant_that_he_names(there: Resting) -> None:
    victim = await furnish(there, "victim", "+12025550101", 1)
    await recorded(victim)
    path = f"/calls/{victim.names['calls']}/transcript"

    lines = (await there.admin.done("GET", path))["items"]
    assert [line["text_pii"] for line in lines] == ["A question to victim"]
    assert (await there.admin("GET", path, params={"tenant": "other"})).status_code == 404
