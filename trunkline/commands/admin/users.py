"""`trunkline admin user`: people of a business."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from contracts import messages as m
from contracts.channels import ROUTER_USERS
from trunkline.administration import operation
from trunkline.commands.admin.asking import AsJson, Tenant, asked, listed, show_all, show_one
from trunkline.commands.options import HOME, Home, Nats

app = typer.Typer(name="user", help="People of a tenant: add, list.", no_args_is_help=True)
_COLUMNS: Final = ("id", "email", "name", "role", "active", "created_us")
_Password = Annotated[
    str,
    typer.Option(
        "--password",
        prompt=True,
        hide_input=True,
        envvar="TRUNKLINE_NEW_PASSWORD",
        help="12 characters or more; asked for when left out, so that no history of a shell has it.",
    ),
]


@app.command()
def add(
    email: Annotated[str, typer.Argument(help="Who signs in with it.")],
    *,
    tenant: Tenant,
    name: Annotated[str, typer.Option("--name", help="Default: the address.")] = "",
    role: Annotated[
        m.MemberRole, typer.Option("--role", help="What they may; owner may all.")
    ] = m.MemberRole.OWNER,
    password: _Password,
    as_json: AsJson = False,
    nats: Nats = "",
    home: Home = HOME,
) -> None:
    """Let a person in."""
    wanted = operation(m.AddUser, email=email, name=name or email, role=role, password=password)
    show_one(asked(home, nats, ROUTER_USERS, wanted, tenant).items[0], as_json=as_json)


@app.command("list")
def list_(*, tenant: Tenant, as_json: AsJson = False, nats: Nats = "", home: Home = HOME) -> None:
    """Show a tenant's people."""
    show_all(listed(home, nats, ROUTER_USERS, m.ListUsers, tenant), _COLUMNS, as_json=as_json)
