"""`trunkline admin tenant`: businesses on the platform."""

from __future__ import annotations

import json
from typing import Annotated, Final

import typer

from contracts import messages as m
from contracts.channels import ROUTER_TENANTS
from trunkline.administration import operation
from trunkline.commands.admin.asking import AsJson, asked, listed, show_all, show_one
from trunkline.commands.options import HOME, Home, Nats

app = typer.Typer(name="tenant", help="Businesses: create, list, close.", no_args_is_help=True)
_COLUMNS: Final = ("slug", "name", "recording_allowed", "created_us")
_Slug = Annotated[str, typer.Argument(help="Its name in every address, for good: a-z, 0-9 and -.")]


@app.command()
def create(
    slug: _Slug,
    *,
    name: Annotated[str, typer.Option("--name", help="What people call it; default: the slug.")] = "",
    plan: Annotated[str, typer.Option("--plan", help="What it subscribes to; default: the first plan.")] = "",
    as_json: AsJson = False,
    nats: Nats = "",
    home: Home = HOME,
) -> None:
    """Let a new business in."""
    wanted = operation(m.CreateTenant, slug=slug, name=name or slug, plan=plan or None)
    show_one(asked(home, nats, ROUTER_TENANTS, wanted).items[0], as_json=as_json)


@app.command("list")
def list_(*, as_json: AsJson = False, nats: Nats = "", home: Home = HOME) -> None:
    """Show every business."""
    show_all(listed(home, nats, ROUTER_TENANTS, m.ListTenants), _COLUMNS, as_json=as_json)


@app.command()
def close(slug: _Slug, *, as_json: AsJson = False, nats: Nats = "", home: Home = HOME) -> None:
    """Remove a business with all it has but the audit log. Its numbers must be somebody else's before."""
    asked(home, nats, ROUTER_TENANTS, m.CloseTenant(), slug)
    print(json.dumps({"closed": slug}) if as_json else f"Tenant {slug} is closed.")
