"""First steps on a platform, through a real router on a real bus with its permissions."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from contracts.channels import ROUTER_AUTHENTICATE
from contracts.messages import AuthenticateReply, AuthenticateRequest, CheckKey
from tests.unit.trunkline.command_line import Cli
from trunkline.administration import first_key
from trunkline.bus_client import open_bus

Answer = Callable[..., Any]


async def who_holds(bus_url: str, key: str) -> AuthenticateReply:
    async with open_bus(bus_url) as bus:
        asked = AuthenticateRequest(operation=CheckKey(key=key))
        return await bus.request(ROUTER_AUTHENTICATE, asked, AuthenticateReply, timeout_s=20)


async def test_the_first_key_is_an_admins_and_is_told_once(bus_url: str) -> None:
    async with open_bus(bus_url) as bus:
        key = await first_key(bus)
        assert key is not None
        assert await first_key(bus) is None
    holder = (await who_holds(bus_url, key)).principal
    assert holder is not None
    assert holder.admin


def test_a_tenant_comes_gets_a_number_and_goes(answer: Answer, admin: Cli) -> None:
    tenant = answer("tenant", "create", "bakery", "--name", "The Bakery")
    assert (tenant["slug"], tenant["name"]) == ("bakery", "The Bakery")
    assert [one["slug"] for one in answer("tenant", "list")] == ["acme", "bakery"]
    number = answer("number", "create", "+1 555 0107", "--calls", 3)
    assert (number["number"], number["tenant"], number["max_concurrent_calls"]) == ("+15550107", None, 3)
    assert answer("number", "assign", "+15550107", "--tenant", "bakery")["tenant"] == "bakery"
    assert {one["number"] for one in answer("number", "list")} >= {"+15550100", "+15550107"}
    assert [one["number"] for one in answer("number", "list", "--tenant", "bakery")] == ["+15550107"]
    status, _, err = admin("tenant", "close", "bakery")
    assert status == 1
    assert err == "error: bakery still has numbers such as +15550107 (assign them elsewhere first)\n"
    assert answer("number", "unassign", "+15550107")["tenant"] is None
    assert answer("tenant", "close", "bakery") == {"closed": "bakery"}
    assert [one["slug"] for one in answer("tenant", "list")] == ["acme"]


def test_a_number_that_nobody_answers_is_said_to_be_so(answer: Answer, admin: Cli) -> None:
    status, out, _ = admin("number", "create", "+15550108", "--tenant", "acme")
    assert (status, "Calls to it are refused until it has an assistant" in out) == (0, True)
    status, out, _ = admin("number", "assign", "+15550108", "--tenant", "acme", "--assistant", "desk")
    assert (status, "are refused" in out) == (0, False)
    answer("number", "unassign", "+15550108")


def test_a_person_is_let_in_without_a_password_on_the_command_line(
    answer: Answer, admin: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRUNKLINE_NEW_PASSWORD", "correct horse battery")
    user = answer("user", "add", "ann@acme.example", "--tenant", "acme", "--role", "supervisor")
    assert (user["email"], user["role"], user["active"]) == ("ann@acme.example", "supervisor", True)
    status, out, _ = admin("user", "list", "--tenant", "acme")
    assert status == 0
    assert "ann@acme.example" in out
    monkeypatch.setenv("TRUNKLINE_NEW_PASSWORD", "short")
    status, _, err = admin("user", "add", "bob@acme.example", "--tenant", "acme")
    assert status == 1
    assert err.startswith("error: password: ")


def test_a_key_opens_until_it_is_revoked(answer: Answer, bus_url: str) -> None:
    made = answer("key", "create", "--label", "crm", "--tenant", "acme", "--days", 30)
    assert made["role"] == "owner"
    assert made["expires_us"] is not None
    holder = asyncio.run(who_holds(bus_url, made["secret"])).principal
    assert holder is not None
    assert (holder.tenant, holder.admin) == ("acme", False)
    listed = answer("key", "list", "--tenant", "acme")
    assert [one["id"] for one in listed] == [made["id"]]
    assert made["secret"] not in str(listed)
    answer("key", "revoke", made["id"], "--tenant", "acme")
    assert asyncio.run(who_holds(bus_url, made["secret"])).principal is None


def test_another_admins_key_can_be_made(answer: Answer) -> None:
    made = answer("key", "create", "--label", "second")
    assert (made["tenant"], made["role"]) == (None, None)
    assert made["secret"].startswith("tlk_")


def test_what_would_answer_can_be_seen(answer: Answer, admin: Cli) -> None:
    assert [one["id"] for one in answer("assistant", "list", "--tenant", "acme")] == ["desk"]
    assert answer("assistant", "show", "desk", "--tenant", "acme")["config"]["greeting"] == "Hello"
    seen = answer("assistant", "preview", "--tenant", "acme", "--number", "+15550100")
    assert seen["tenant"] == "acme"
    assert seen["assistant"]["greeting"] == "Hello"
    status, out, _ = admin("assistant", "preview", "--tenant", "acme", "--assistant", "desk")
    assert status == 0
    assert "Hello" in out


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        (
            ("tenant", "create", "Not A Slug"),
            "error: this slug does not fit (use 1 to 63 of a-z, 0-9 and '-', ",
        ),
        (("tenant", "create", "acme"), "error: "),
        (("number", "create", "12"), "error: "),
        (("number", "assign", "+15550100", "--tenant", "nobody"), "error: "),
        (("number", "assign", "+15550100", "--tenant", "NOT VALID"), "error: tenant: "),
        (("key", "revoke", "x"), "error: this id does not fit (use a lower-case UUIDv7)"),
        (("key", "create", "--label", "x", "--role", "agent"), "error: a tenant's key has a role, "),
        (("assistant", "show", "ghost", "--tenant", "acme"), "error: "),
        (("assistant", "preview", "--tenant", "acme"), "error: "),
    ],
)
def test_what_cannot_be_is_one_line_and_status_1(admin: Cli, arguments: tuple[str, ...], fault: str) -> None:
    status, out, err = admin(*arguments)
    assert (status, out) == (1, "")
    assert err.startswith(fault)
    assert err.count("\n") == 1


def test_where_no_platform_runs_that_is_said(cli: Cli, tmp_path: Path) -> None:
    status, _, err = cli("admin", "tenant", "list", "--home", tmp_path)
    assert status == 1
    assert "trunkline up" in err


def test_who_is_not_the_operator_is_not_let_in(
    cli: Cli, bus_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRUNKLINE_NATS_URL", f"nats://{bus_url.rpartition('@')[2]}")
    status, _, err = cli("admin", "tenant", "list")
    assert status == 1
    assert "NATS refuses" in err
