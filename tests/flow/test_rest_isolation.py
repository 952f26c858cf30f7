"""Somebody of another tenant tries every operation of the API on what is not his: it is not there for him."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import jwt
import pytest

from contracts import messages as m
from gateway_service.rest.tokens import Tokens
from gateway_service.rest.web import description
from runtime.keyring import keyring_file
from tests.support.resting import PASSWORD, Api, Resting, everything, resting
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

    async def seen(self, *more: str) -> list[Any]:
        """All that its owner can see, and what is at `more`."""
        looks = ["/tenants", "/users", "/numbers", "/assistants", "/credentials", "/keys"]
        looks += ["/subscription", "/usage", "/calls", "/audit?limit=200"]
        looks += [
            f"/assistants/{self.names['assistants']}/revisions",
            f"/calls/{self.names['calls']}/transcript",
        ]
        return await asyncio.gather(*(self.owner.done("GET", look) for look in (*looks, *more)))


@pytest.fixture
async def there(nats_url: str, tmp_path: Path) -> AsyncIterator[Resting]:
    async with everything(nats_url, tmp_path) as opened:
        yield opened


async def furnish(there: Resting, slug: str, number: str, seed: int) -> Belongings:
    owner = await there.tenant(slug)
    assistant = f"only-at-{slug}"  # what every tenant has by the same name, nobody can take for another's
    query = {"tenant": slug}
    await there.admin.done("POST", "/numbers", {"number": number, "assistant": "desk"}, params=query)
    await owner.done("POST", "/assistants", {"id": assistant, "config": CONFIG})
    person = {"email": f"{slug}@example.com", "name": "P", "role": "agent", "password": PASSWORD}
    user = await owner.done("POST", "/users", person)
    secret = {"provider": "openai", "secret": f"the secret of {slug}"}
    credential = await owner.done("POST", "/credentials", secret)
    key = (await owner.done("GET", "/keys"))["items"][0]
    story = CallStory(call_ref(seed, slug))
    story.start()
    story.turn(1, f"A question to {slug}")
    await publish(there.bus.bus, story.told)
    names = {"users": user["id"], "numbers": number, "assistants": assistant, "tenants": slug}
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


OPEN: Final = {"POST /v1/token", "GET /v1/health/live", "GET /v1/health/ready"}
"""What anybody may ask, besides the webhooks, which their carrier signs."""


def encoded(part: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()


def false_tokens(token: str) -> dict[str, dict[str, str]]:
    """Headers that prove nothing: none, somebody's who is not there, and what can be made of a good token."""
    header, claims, signature = token.split(".")
    said = json.loads(base64.urlsafe_b64decode(claims + "=="))
    unsigned = encoded({**json.loads(base64.urlsafe_b64decode(header + "==")), "alg": "none"})
    promoted = encoded({**said, "tenant": "victim"})
    later = encoded({**said, "exp": said["exp"] + 1})
    tokens = {
        "none-algorithm": f"{unsigned}.{claims}.",
        "none-algorithm with the signature": f"{unsigned}.{claims}.{signature}",
        "another tenant's name": f"{header}.{promoted}.{signature}",
        "a later end": f"{header}.{later}.{signature}",
        "no signature": f"{header}.{claims}.",
        "another's key": jwt.encode(said, bytes(32), "HS256", headers={"kid": "first"}),
        "junk": "junk",
    }
    bearers = {name: {"Authorization": f"Bearer {value}"} for name, value in tokens.items()}
    key = {"X-API-Key": f"tlk_{'0' * 43}"}
    return {"nothing": {}, "a key that is none": key, "both": key | {"Authorization": "Bearer x"}} | bearers


async def test_no_operation_is_done_for_who_proves_nothing(nats_url: str, tmp_path: Path) -> None:
    async with resting(nats_url, tmp_path, rest_address_tries=1_000_000) as there:
        owner = await there.tenant("victim")
        person = {"email": "v@example.com", "name": "V", "role": "owner", "password": PASSWORD}
        await owner.done("POST", "/users", person)
        form = {"grant_type": "password", "username": person["email"], "password": PASSWORD}
        token = (await there.nobody("POST", "/token", data=form)).json()["access_token"]
        good = {"Authorization": f"Bearer {token}"}
        me = await there.nobody.done("GET", "/me", headers=good)
        before = [await owner.done("GET", look) for look in ("/users", "/assistants", "/keys", "/audit")]
        false = false_tokens(token)
        keyring = keyring_file(tmp_path / "home" / "rest" / "keyring")
        old = Tokens(keyring, 900, lambda: there.app.web.state.rest.clock.now_us() - 901_000_000)
        principal = m.Principal(subject=me["subject"], tenant="victim", role=m.MemberRole.OWNER)
        false["expired"] = {"Authorization": f"Bearer {old.issue(principal)}"}

        for operation in operations():
            method, template = operation.split(" ")
            if operation in OPEN or template.startswith("/webhooks/"):
                continue
            path = (
                template.removeprefix("/v1").replace("{slug}", "victim").replace("{number}", "+12025550101")
            )
            path = path.replace("{id}", "desk")
            for name, headers in false.items():
                answer = await there.nobody(method, path, BODIES.get(operation), headers=headers)
                assert answer.status_code == 401, (operation, name, answer.status_code, answer.text)
                assert answer.headers["www-authenticate"].startswith("Bearer")
                assert answer.headers["content-type"] == "application/problem+json"

        looks = ("/users", "/assistants", "/keys", "/audit")
        assert [await owner.done("GET", look) for look in looks] == before


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
