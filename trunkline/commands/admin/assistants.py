"""`trunkline admin assistant`: who answers, and what a number would get."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from contracts import messages as m
from contracts.channels import ROUTER_ASSISTANTS, ROUTER_PREVIEW
from trunkline.administration import ask, operation
from trunkline.commands.admin.asking import AsJson, Tenant, asked, at, listed, show_all, show_one
from trunkline.commands.options import HOME, Home, Nats

app = typer.Typer(name="assistant", help="Who answers: list, show, preview.", no_args_is_help=True)
_COLUMNS: Final = ("id", "tenant", "revision", "changed_by", "changed_us")


@app.command("list")
def list_(*, tenant: Tenant, as_json: AsJson = False, nats: Nats = "", home: Home = HOME) -> None:
    """Show a tenant's assistants."""
    show_all(listed(home, nats, ROUTER_ASSISTANTS, m.ListAssistants, tenant), _COLUMNS, as_json=as_json)


@app.command()
def show(
    assistant: Annotated[str, typer.Argument(help="Its id.")],
    *,
    tenant: Tenant,
    as_json: AsJson = False,
    nats: Nats = "",
    home: Home = HOME,
) -> None:
    """Show what was configured; all else has its default."""
    wanted = operation(m.GetAssistant, id=assistant)
    show_one(asked(home, nats, ROUTER_ASSISTANTS, wanted, tenant).items[0], as_json=as_json)


@app.command()
def preview(
    *,
    tenant: Tenant,
    number: Annotated[str, typer.Option("--number", help="What would answer this number.")] = "",
    assistant: Annotated[
        str, typer.Option("--assistant", help="This one, under the number's override.")
    ] = "",
    as_json: AsJson = False,
    nats: Nats = "",
    home: Home = HOME,
) -> None:
    """Show the whole configuration that a call would get, defaults and overrides merged."""
    answer = at(
        home,
        nats,
        lambda bus: ask(bus, ROUTER_PREVIEW, tenant, number=number or None, assistant=assistant or None),
    )
    show_one(answer.snapshot or answer.assistant, as_json=as_json)
