"""REST in the test's process with the real router behind it, on a real bus."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from contracts.messages import MemberRole
from gateway_service.rest.app import SERVICE
from runtime.errors import BadKeyring, PortInUse
from tests.support.context import service_context
from tests.support.office import CONFIG
from tests.support.resting import PASSWORD, Api, Resting, rest, rest_settings, resting
from trunkline.nats_server import free_port

NUMBER = "+12025550123"
PERSON = {"email": "ann@example.com", "name": "Ann", "role": "owner", "password": PASSWORD}
SIGN_IN = {"grant_type": "password", "username": "ann@example.com", "password": PASSWORD}


@pytest.fixture
async def there(nats_url: str, tmp_path: Path) -> AsyncIterator[Resting]:
    async with resting(nats_url, tmp_path, rest_recheck_s=0, rest_account_tries=3) as opened:
        yield opened


def problem(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """The problem that this answer must be."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    said: dict[str, Any] = answer.json()
    assert (said["status"], said["code"]) == (status, code), said
    assert said["instance"] == f"urn:trunkline:request:{answer.headers['x-request-id']}"
    assert said["mend"]
    return said


async def signed_in(there: Resting, **form: str) -> httpx.Response:
    return await there.nobody("POST", "/token", data={**SIGN_IN, **form})


async def test_a_person_signs_in_and_is_who_he_is_until_he_is_removed(there: Resting) -> None:
    owner = await there.tenant("acme")
    await owner.done("POST", "/users", {**PERSON, "email": "boss@example.com"})
    user = await owner.done("POST", "/users", PERSON)
    token = (await signed_in(there)).json()
    ann = there.nobody.with_token(token["access_token"])

    assert (token["token_type"], token["tenant"], token["role"]) == ("bearer", "acme", "owner")
    assert await ann.done("GET", "/me") == {
        "subject": f"user:{user['id']}",
        "admin": False,
        "tenant": "acme",
        "role": "owner",
    }
    await owner.done("PATCH", f"/users/{user['id']}", {"role": "agent"})
    assert (await ann.done("GET", "/me"))["role"] == "agent"
    problem(await ann("GET", "/keys"), 403, "forbidden")
    await owner.done("DELETE", f"/users/{user['id']}")
    answer = await ann("GET", "/me")
    problem(answer, 401, "unauthenticated")
    assert answer.headers["www-authenticate"].startswith("Bearer")


async def test_one_who_belongs_to_several_tenants_names_one(there: Resting) -> None:
    for slug in ("acme", "beta"):
        await (await there.tenant(slug)).done("POST", "/users", PERSON)

    said = problem(await signed_in(there), 400, "bad_value")
    assert "acme, beta" in said["mend"]
    assert (await signed_in(there, tenant="beta")).json()["tenant"] == "beta"
    assert (await signed_in(there, scope="openid tenant:acme")).json()["tenant"] == "acme"
    problem(await signed_in(there, scope="tenant:NO SUCH"), 422, "bad_value")


async def test_after_some_failures_nobody_signs_in_to_an_account_for_a_while(there: Resting) -> None:
    owner = await there.tenant("acme")
    await owner.done("POST", "/users", PERSON)
    await signed_in(there)
    for _ in range(3):
        problem(await signed_in(there, password="wrong"), 401, "unauthenticated")

    answer = await signed_in(there)
    problem(answer, 429, "too_many_requests")
    assert 1 <= int(answer.headers["retry-after"]) <= 30
    problem(await signed_in(there, username="ann@else.com", password="wrong"), 401, "unauthenticated")


async def test_a_key_works_in_either_header_until_it_is_revoked(there: Resting) -> None:
    owner = await there.tenant("acme")
    key = await owner.done("POST", "/keys", {"label": "program", "role": "agent"})
    either = there.nobody.with_key(key["secret"]), there.nobody.with_token(key["secret"])

    for program in either:
        assert (await program.done("GET", "/me"))["subject"] == f"key:{key['id']}"
    both = await there.nobody("GET", "/me", headers={**either[0].headers, **either[1].headers})
    problem(both, 401, "unauthenticated")
    await owner.done("DELETE", f"/keys/{key['id']}")
    for program in either:
        problem(await program("GET", "/me"), 401, "unauthenticated")


async def test_guessing_keys_is_slowed_down(nats_url: str, tmp_path: Path) -> None:
    async with resting(nats_url, tmp_path, rest_address_tries=2) as there:
        for guess in ("a", "b"):
            problem(await there.nobody.with_key(f"tlk_{guess}")("GET", "/me"), 401, "unauthenticated")
        problem(await there.nobody.with_key("tlk_c")("GET", "/me"), 429, "too_many_requests")


async def test_every_request_counts_against_its_keys_rate(there: Resting) -> None:
    owner = await there.tenant("acme")
    body = {"label": "slow", "role": "agent", "requests_per_minute": 2}
    slow = there.nobody.with_key((await owner.done("POST", "/keys", body))["secret"])

    first = await slow("GET", "/me")
    assert (first.headers["ratelimit-limit"], first.headers["ratelimit-remaining"]) == ("2", "1")
    assert 29 <= int(first.headers["ratelimit-reset"]) <= 30
    await slow("GET", "/nowhere/to/be/found")
    await slow("GET", f"/users/{'0' * 5}")
    limited = await slow("GET", "/me")
    problem(limited, 429, "too_many_requests")
    assert limited.headers["ratelimit-remaining"] == "0"
    assert 1 <= int(limited.headers["retry-after"]) <= 30
    await owner.done("GET", "/me")


async def test_a_post_that_is_repeated_with_its_key_is_done_once(there: Resting) -> None:
    owner = await there.tenant("acme")
    once = {"headers": {"Idempotency-Key": "one"}}
    first = await owner.done("POST", "/keys", {"label": "a", "role": "agent"}, **once)

    assert await owner.done("POST", "/keys", {"label": "a", "role": "agent"}, **once) == first
    problem(await owner("POST", "/keys", {"label": "b", "role": "agent"}, **once), 409, "conflict")
    bad = {"headers": {"Idempotency-Key": "two words"}}
    problem(await owner("POST", "/keys", {"label": "a", "role": "agent"}, **bad), 422, "bad_value")


async def test_a_preview_that_is_repeated_with_its_key_is_the_same(there: Resting) -> None:
    owner = await there.tenant("acme")
    await there.admin.done("POST", "/numbers", {"number": NUMBER})
    await there.admin.done("PUT", f"/numbers/{NUMBER}/assignment", {"tenant": "acme", "assistant": "desk"})
    for path in ("/assistants/desk/preview", f"/numbers/{NUMBER}/preview"):
        once = {"headers": {"Idempotency-Key": path}}
        first = await owner.done("POST", path, {}, **once)
        await owner.done("PATCH", "/assistants/desk", {"greeting": f"Hello from {path}."})
        assert await owner.done("POST", path, {}, **once) == first
        assert await owner.done("POST", path, {}) != first
        problem(await owner("POST", path, {"changes": {"prompt": "Sing."}}, **once), 409, "conflict")


async def test_a_media_token_is_given_again_to_who_repeats_the_request(
    nats_url: str, tmp_path: Path, there: Resting
) -> None:
    owner, other = await there.tenant("acme"), await there.tenant("beta")
    agent = await there.owner("acme", MemberRole.AGENT)
    await there.admin.done("POST", "/numbers", {"number": NUMBER})
    await there.admin.done("PUT", f"/numbers/{NUMBER}/assignment", {"tenant": "acme", "assistant": "desk"})
    wanted = {"to": NUMBER, "from": "front desk"}
    once = {"headers": {"Idempotency-Key": "one"}}

    problem(await owner("POST", "/media-tokens", {**wanted, "to": "+12025550999"}, **once), 404, "not_found")
    first = await owner("POST", "/media-tokens", wanted, **once)
    assert first.status_code == 201
    again = await owner("POST", "/media-tokens", wanted, **once)
    assert (again.status_code, again.json()) == (201, first.json())
    fresh = await owner.done("POST", "/media-tokens", wanted)
    assert fresh["call"] != first.json()["call"]
    assert (await agent.done("POST", "/media-tokens", wanted, **once))["call"] != first.json()["call"]
    problem(await owner("POST", "/media-tokens", {**wanted, "from": "x"}, **once), 409, "conflict")
    problem(await other("POST", "/media-tokens", wanted, **once), 404, "not_found")

    at_once = {"headers": {"Idempotency-Key": "two"}}
    answers = await asyncio.gather(
        *(owner.done("POST", "/media-tokens", wanted, **at_once) for _ in range(8))
    )
    assert all(answer == answers[0] for answer in answers)

    async with (
        rest(rest_settings(nats_url, tmp_path)) as replica,
        httpx.AsyncClient(base_url=replica.url) as http,
    ):
        assert await Api(http, owner.headers).done("POST", "/media-tokens", wanted, **once) == first.json()


async def test_a_change_that_names_an_older_revision_is_refused(there: Resting) -> None:
    owner = await there.tenant("acme")
    etag = (await owner("GET", "/assistants/desk")).headers["etag"]
    changed = await owner("PATCH", "/assistants/desk", {"greeting": "One."}, headers={"If-Match": etag})

    assert changed.status_code == 200
    assert changed.headers["etag"] != etag
    late = await owner("PATCH", "/assistants/desk", {"greeting": "Two."}, headers={"If-Match": etag})
    problem(late, 412, "conflict")
    assert (await owner.done("GET", "/assistants/desk"))["config"]["greeting"] == "One."
    restored = await owner.done("POST", "/assistants/desk/restore", {"revision": 1})
    assert restored["config"]["greeting"] == CONFIG["greeting"]
    assert len((await owner.done("GET", "/assistants/desk/revisions"))["items"]) == 3


async def test_a_list_is_read_page_by_page_along_its_links(there: Resting) -> None:
    owner = await there.tenant("acme")
    wanted = sorted([*(f"desk-{at}" for at in range(5)), "desk"])
    for name in wanted[1:]:
        await owner.done("POST", "/assistants", {"id": name, "config": CONFIG})

    seen, path = [], "/assistants?limit=2"
    while path:
        answer = await owner("GET", path)
        seen += [one["id"] for one in answer.json()["items"]]
        link = answer.links.get("next")
        path = link["url"].removeprefix("/v1") if link else ""
    assert seen == wanted


@pytest.mark.parametrize(("path", "name"), [("/credentials", "label"), ("/plans", "slug")])
async def test_credentials_and_plans_are_read_page_by_page_too(there: Resting, path: str, name: str) -> None:
    owner = await there.tenant("acme")
    for one in "abc":
        await owner.done("POST", "/credentials", {"provider": "openai", "label": one, "secret": "x"})
        plan = {"name": one, "max_concurrent_calls": 2, "inbound_reserve": 1}
        await there.admin.done("PUT", f"/plans/{one}", plan)

    first = await owner("GET", f"{path}?limit=2")
    assert [one[name] for one in first.json()["items"]] == ["a", "b"]
    second = await owner("GET", first.links["next"]["url"].removeprefix("/v1"))
    assert second.json()["items"][0][name] == "c"
    assert await owner.done("GET", path, params={"limit": 2, "after": first.json()["next"]}) == second.json()
    problem(await owner("GET", f"{path}?limit=0"), 422, "bad_value")


async def test_a_number_is_assigned_configured_previewed_and_taken_back(there: Resting) -> None:
    acme, admin = await there.tenant("acme"), there.admin
    await admin.done("POST", "/numbers", {"number": "+1 202 555 0123"})
    problem(await admin("POST", "/numbers", {"number": NUMBER}), 409, "conflict")
    problem(await acme("GET", f"/numbers/{NUMBER}"), 404, "not_found")
    await admin.done("PUT", f"/numbers/{NUMBER}/assignment", {"tenant": "acme", "assistant": "desk"})

    wrong = await acme("PATCH", f"/numbers/{NUMBER}", {"override": {"greting": "Hello."}})
    assert "greting" in problem(wrong, 422, "bad_configuration")["detail"]
    await acme.done("PATCH", f"/numbers/{NUMBER}", {"override": {"greeting": "Hello."}})
    preview = await acme.done("POST", f"/numbers/{NUMBER}/preview", {"changes": {"prompt": "Sing."}})
    assert (preview["assistant"]["greeting"], preview["assistant"]["prompt"]) == ("Hello.", "Sing.")
    as_it_is = await acme.done("POST", f"/numbers/{NUMBER}/preview")
    assert as_it_is["assistant"] == {**preview["assistant"], "prompt": CONFIG["prompt"]}
    merged = await acme.done("POST", "/assistants/desk/preview", {"number": NUMBER})
    assert (merged["greeting"], merged["prompt"]) == ("Hello.", CONFIG["prompt"])

    taken = await admin.done("DELETE", f"/numbers/{NUMBER}/assignment")
    assert (taken["tenant"], taken["override"]) == (None, {})


async def test_an_admin_makes_plans_tenants_and_subscriptions(there: Resting) -> None:
    admin = there.admin
    plan = {"name": "Big", "max_concurrent_calls": 9, "inbound_reserve": 2}
    await admin.done("PUT", "/plans/big", plan)
    await admin.done("POST", "/tenants", {"slug": "acme", "name": "Acme", "plan": "big"})
    query = {"tenant": "acme"}
    assert (await admin.done("GET", "/subscription", params=query))["max_concurrent_calls"] == 9
    await admin.done("PUT", "/subscription", {"plan": "big", "max_concurrent_calls": 3}, params=query)
    owner = await there.owner("acme")
    assert (await owner.done("GET", "/subscription"))["max_concurrent_calls"] == 3
    assert {one["slug"] for one in (await owner.done("GET", "/plans"))["items"]} == {"big", "standard"}
    problem(await owner("PUT", "/plans/big", plan), 403, "forbidden")
    await owner.done("PATCH", "/tenants/acme", {"recording_allowed": True})
    assert (await admin.done("GET", "/tenants/acme"))["recording_allowed"]
    await admin.done("DELETE", "/tenants/acme")
    problem(await admin("GET", "/tenants/acme"), 404, "not_found")


async def test_a_secret_goes_in_and_never_comes_out_nor_into_the_log(
    there: Resting, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    owner = await there.tenant("acme")
    await owner.done("POST", "/users", PERSON)
    await signed_in(there)
    await owner.done("POST", "/credentials", {"provider": "openai", "secret": "sk-very-secret"})
    await owner("POST", "/credentials", {"provider": "openai", "secret": ["sk-very-secret"]})
    looks = ("/credentials", "/audit", "/users", "/keys")
    everything = str([await owner.done("GET", path) for path in looks])

    secrets = ("sk-very-secret", PASSWORD, owner.headers["X-API-Key"])
    assert not [secret for secret in secrets if secret in everything or secret in caplog.text]
    assert "POST /v1/credentials 201" in caplog.text


async def test_a_password_is_changed_by_who_proves_the_old_one(there: Resting) -> None:
    owner = await there.tenant("acme")
    user = await owner.done("POST", "/users", PERSON)
    ann = there.nobody.with_token((await signed_in(there)).json()["access_token"])
    new = {"password": "another long password"}

    problem(await ann("PUT", "/me/password", {**new, "current": "wrong"}), 401, "unauthenticated")
    await ann.done("PUT", "/me/password", {**new, "current": PASSWORD})
    problem(await signed_in(there), 401, "unauthenticated")
    await owner.done("PUT", f"/users/{user['id']}/password", {"password": PASSWORD})
    assert (await signed_in(there)).status_code == 200


@pytest.mark.parametrize(
    ("content", "kind", "status", "at"),
    [
        (b"{", "application/json", 422, "body"),
        (b"\xff", "application/json", 422, "body"),
        (b'{"label": NaN}', "application/json", 422, "body"),
        (b'{"label": "\\ud800"}', "application/json", 422, "body"),
        (b"[" * 100_000, "application/json", 422, "body"),
        (b'{"label": "a"}', "text/plain", 415, ""),
        (b"label=a", "application/x-www-form-urlencoded", 415, ""),
        (b'{"lable": "a", "role": "agent"}', "application/json", 422, "body.lable"),
        (b'{"label": 7, "role": "agent"}', "application/json", 422, "body.label"),
        (b'{"label": "a\\u0000b", "role": "agent"}', "application/json", 422, "body.label"),
        (b'{"label": "a\\r\\nX: y", "role": "agent"}', "application/json", 422, "body.label"),
        (b'{"label": "a", "role": "agent", "expires_us": 1e40}', "application/json", 422, "body.expires_us"),
        (b"", "application/json", 422, "body"),
    ],
)
async def test_a_body_that_does_not_fit_is_told_where(
    there: Resting, content: bytes, kind: str, status: int, at: str
) -> None:
    owner = await there.tenant("acme")
    answer = await owner("POST", "/keys", content=content, headers={"Content-Type": kind})

    said = problem(answer, status, "bad_value" if status == 422 else "bad_message")
    assert [fault["at"] for fault in said.get("errors", [])][:1] == ([at] if at else []), said


async def test_who_signs_in_without_a_form_is_told_to_send_one(there: Resting) -> None:
    said = problem(await there.nobody("POST", "/token", SIGN_IN), 415, "bad_message")
    assert said["mend"] == "send it as application/x-www-form-urlencoded"


async def test_what_our_own_checks_find_is_said_in_their_words(there: Resting) -> None:
    owner = await there.tenant("acme")
    said = problem(await owner("POST", "/media-tokens", {}), 422, "bad_value")
    assert said["detail"].startswith("body: give to and from for a new call, or ")


async def test_a_configuration_that_nests_without_end_is_refused(there: Resting) -> None:
    owner = await there.tenant("acme")
    deep = {"phases": json.loads("[" * 500 + "]" * 500)}
    said = problem(await owner("PATCH", "/assistants/desk", deep), 422, "bad_value")
    assert "nests deeper" in said["detail"]


@pytest.mark.parametrize("declared", [True, False])
async def test_ten_megabytes_are_refused_before_they_are_read(there: Resting, declared: bool) -> None:
    sent = 0

    async def body() -> AsyncIterator[bytes]:
        nonlocal sent
        for _ in range(160):
            sent += 65_536
            yield bytes(65_536)
            await asyncio.sleep(0)

    length = {"Content-Length": str(160 * 65_536)} if declared else {}
    try:
        answer = await there.admin("POST", "/keys", content=body(), headers=length)
    except (httpx.WriteError, httpx.RemoteProtocolError):  # it was answered and closed while we still sent
        assert sent < 160 * 65_536
    else:
        problem(answer, 413, "message_too_large")
    assert (await there.admin("GET", "/me")).status_code == 200


SQL = "x' OR '1'='1'; DROP TABLE users; --"


@pytest.mark.parametrize(
    ("method", "path", "query"),
    [
        ("GET", f"/assistants/{SQL}", {}),
        ("GET", f"/numbers/{SQL}", {}),
        ("GET", f"/users/{SQL}", {}),
        ("GET", "/audit", {"target": SQL}),
        ("GET", "/users", {"after": SQL}),
        ("GET", "/users", {"after": "a\r\nSet-Cookie: a=b"}),
        ("GET", "/users", {"tenant": SQL}),
        ("GET", "/users", {"limit": SQL}),
        ("GET", "/users", {"nonsense": "1"}),
        ("GET", "/users", {"limit": ["1", "2"]}),
        ("GET", "/calls", {"number": SQL}),
    ],
)
async def test_text_that_means_something_to_sql_or_http_means_nothing(
    there: Resting, method: str, path: str, query: dict[str, Any]
) -> None:
    owner = await there.tenant("acme")
    before = await owner.done("GET", "/users")
    answer = await owner(method, path, params=query)

    assert answer.status_code in (200, 400, 404, 422), answer.text
    assert "set-cookie" not in answer.headers
    assert await owner.done("GET", "/users") == before


async def test_what_is_not_there_is_a_problem_too(there: Resting) -> None:
    lost = problem(await there.nobody("GET", "/nowhere"), 404, "not_found")
    assert lost["detail"] == "nothing is served at this address"
    wrong = await there.nobody("DELETE", "/me")
    assert problem(wrong, 405, "bad_message")["mend"] == "use GET"
    assert wrong.headers["allow"] == "GET"
    several = await there.nobody("PUT", f"/numbers/{NUMBER}")
    assert (several.status_code, several.headers["allow"]) == (405, "DELETE, GET, PATCH")
    assert wrong.headers["x-content-type-options"] == "nosniff"


async def test_with_router_away_it_says_so_and_that_trying_again_helps(nats_url: str, tmp_path: Path) -> None:
    async with (
        rest(rest_settings(nats_url, tmp_path)) as app,
        httpx.AsyncClient(base_url=app.url) as http,
    ):
        answer = await http.get("/v1/me", headers={"X-API-Key": "tlk_any"})
        assert problem(answer, 504, "timeout")["retryable"]
        assert (await http.get("/v1/health/live")).json() == {"live": True}
        assert (await http.get("/v1/health/ready")).json()["ready"] is True


async def test_a_fault_of_ours_is_a_problem_without_its_cause(
    there: Resting, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def explode(*_: Any) -> None:
        raise RuntimeError("the cause")

    monkeypatch.setattr(type(there.app.web.state.rest.gate), "who", explode)
    answer = await there.admin("GET", "/me")
    assert "the cause" not in answer.text
    problem(answer, 500, "internal")
    assert answer.headers["x-request-id"] in caplog.text
    assert "the cause" in caplog.text


async def test_other_origins_are_let_in_only_where_they_are_named(nats_url: str, tmp_path: Path) -> None:
    origin = {"Origin": "https://console.example.com", "Access-Control-Request-Method": "GET"}
    async with resting(nats_url, tmp_path) as there:
        assert "access-control-allow-origin" not in (await there.nobody("GET", "/me", headers=origin)).headers
    async with resting(nats_url, tmp_path, rest_cors_origins=("https://console.example.com",)) as there:
        allowed = await there.nobody("OPTIONS", "/me", headers=origin)
        assert allowed.headers["access-control-allow-origin"] == origin["Origin"]
        stranger = {**origin, "Origin": "https://else.example.com"}
        refused = await there.nobody("OPTIONS", "/me", headers=stranger)
        assert "access-control-allow-origin" not in refused.headers


async def test_a_port_that_is_taken_and_a_keyring_that_is_none_are_named(
    nats_url: str, tmp_path: Path
) -> None:
    settings = rest_settings(nats_url, tmp_path)
    async with rest(settings) as first, service_context(settings, "rest") as context:
        port = int(first.url.rsplit(":", 1)[1])
        second = SERVICE.build(rest_settings(nats_url, tmp_path, rest_port=port), context)
        with pytest.raises(PortInUse, match=str(port)):
            await second.start()
        await second.stop()
        with pytest.raises(BadKeyring):
            SERVICE.build(rest_settings(nats_url, tmp_path, rest_keyring="nonsense"), context)


async def test_tokens_outlive_a_restart_and_a_rotation(nats_url: str, tmp_path: Path) -> None:
    async with resting(nats_url, tmp_path) as there:
        owner = await there.tenant("acme")
        await owner.done("POST", "/users", PERSON)
        token = (await signed_in(there)).json()["access_token"]
        first = (tmp_path / "home" / "rest" / "keyring").read_text(encoding="utf-8").strip()
        second = f"second:{base64.b64encode(bytes(32)).decode()}"
        for keyring, status in ((first, 200), (f"{second},{first}", 200), (second, 401)):
            changed = rest_settings(nats_url, tmp_path, rest_keyring=keyring)
            async with rest(changed) as app, httpx.AsyncClient(base_url=app.url) as http:
                answer = await http.get("/v1/me", headers={"Authorization": f"Bearer {token}"})
                assert answer.status_code == status, keyring


async def test_as_a_process_it_starts_answers_and_drains(nats_url: str, tmp_path: Path) -> None:
    port = free_port()
    environment = {
        **os.environ,
        "TRUNKLINE_NATS_URL": nats_url,
        "TRUNKLINE_HOME": str(tmp_path),
        "TRUNKLINE_REST_PORT": str(port),
    }
    command = [sys.executable, "-m", "gateway_service.rest"]
    process = await asyncio.create_subprocess_exec(*command, env=environment, stderr=subprocess.PIPE)
    assert process.stderr is not None
    try:
        while b"ready" not in (line := await process.stderr.readline()):
            assert line, "it ended"
        async with httpx.AsyncClient() as http:
            answer = await http.get(f"http://127.0.0.1:{port}/v1/health/ready")
            assert answer.json() == {"ready": True, "missing": []}
        process.send_signal(signal.SIGTERM)
        await process.communicate()
        assert process.returncode == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_a_member_asks_for_another_tenant_by_name(there: Resting) -> None:
    owner = await there.tenant("acme")
    await there.tenant("beta")
    for path in ("/users", "/numbers", "/calls", "/usage", "/audit", "/subscription"):
        theirs, nobodys = [
            problem(await owner("GET", path, params={"tenant": slug}), 404, "not_found")["detail"]
            for slug in ("beta", "nobody")
        ]
        assert theirs.replace("beta", "") == nobodys.replace("nobody", "")


async def test_an_idle_connection_is_closed_when_it_has_been_kept(nats_url: str, tmp_path: Path) -> None:
    assert rest_settings(nats_url, tmp_path).rest_keep_alive_s > 60, "what balancers keep"
    async with rest(rest_settings(nats_url, tmp_path, rest_keep_alive_s=1)) as app:
        host, port = app.url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"GET /v1/health/live HTTP/1.1\r\nHost: rest\r\n\r\n")
        answer = await reader.readuntil(b"\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert b"connection: close" not in answer.lower()
        await reader.read()  # until it is closed
        writer.close()
        await writer.wait_closed()
