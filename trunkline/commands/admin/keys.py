"""`trunkline admin key`: API keys of a business, and the platform's own."""

from __future__ import annotations

import time
from typing import Annotated, Final

import typer

from contracts import messages as m
from contracts.channels import ROUTER_KEYS
from trunkline.administration import operation
from trunkline.commands.admin.asking import AnyTenant, AsJson, asked, listed, show_all, show_one
from trunkline.commands.options import HOME, Home, Nats

app = typer.Typer(
    name="key",
    help="API keys of a tenant, or, with none named, of an admin: create, list, revoke.",
    no_args_is_help=True,
)
_COLUMNS: Final = ("id", "prefix", "label", "tenant", "role", "created_us", "expires_us", "revoked_us")
_DAY_US: Final = 86_400_000_000


@app.command()
def create(
    *,
    label: Annotated[str, typer.Option("--label", help="What it is for.")],
    tenant: AnyTenant = "",
    role: Annotated[
        m.MemberRole | None, typer.Option("--role", help="What a tenant's key may; default: owner.")
    ] = None,
    days: Annotated[int, typer.Option("--days", min=0, max=36_500, help="Until it expires; 0: never.")] = 0,
    as_json: AsJson = False,
    nats: Nats = "",
    home: Home = HOME,
) -> None:
    """Make a key and show it: this once. With a tenant it has a role there, with none it is an admin's."""
    if role is None and tenant:
        role = m.MemberRole.OWNER
    expires_us = time.time_ns() // 1_000 + days * _DAY_US if days else None
    wanted = operation(m.CreateKey, label=label, role=role, expires_us=expires_us)
    answer = asked(home, nats, ROUTER_KEYS, wanted, tenant)
    show_one(answer.items[0], as_json=as_json, secret=answer.secret)


@app.command("list")
def list_(*, tenant: AnyTenant = "", as_json: AsJson = False, nats: Nats = "", home: Home = HOME) -> None:
    """Show the keys of a tenant, or the admins'; none of their secrets is kept."""
    show_all(listed(home, nats, ROUTER_KEYS, m.ListKeys, tenant), _COLUMNS, as_json=as_json)


@app.command()
def revoke(
    key: Annotated[str, typer.Argument(help="Its id, as `list` shows it.")],
    *,
    tenant: AnyTenant = "",
    as_json: AsJson = False,
    nats: Nats = "",
    home: Home = HOME,
) -> None:
    """End a key at once and for good."""
    answer = asked(home, nats, ROUTER_KEYS, operation(m.RevokeKey, id=key), tenant)
    show_one(answer.items[0], as_json=as_json)
