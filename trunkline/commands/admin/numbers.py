"""`trunkline admin number`: called numbers, and whose they are."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from contracts import messages as m
from contracts.channels import ROUTER_NUMBERS
from trunkline.administration import operation
from trunkline.commands.admin.asking import AnyTenant, AsJson, Tenant, asked, listed, show_all, show_one
from trunkline.commands.options import HOME, Home, Nats
from trunkline.view import plain_console

app = typer.Typer(name="number", help="Called numbers: create, assign, list.", no_args_is_help=True)
_COLUMNS: Final = ("number", "tenant", "assistant", "label", "max_concurrent_calls", "active")
_Number = Annotated[str, typer.Argument(help="An international number, such as +15550100.")]
_Assistant = Annotated[str, typer.Option("--assistant", help="Who answers: an assistant of the tenant.")]


@app.command()
def create(
    number: _Number,
    *,
    tenant: AnyTenant = "",
    assistant: _Assistant = "",
    label: Annotated[str, typer.Option("--label", help="What the tenant calls it.")] = "",
    calls: Annotated[int, typer.Option("--calls", min=1, help="How many calls at once.")] = 1,
    as_json: AsJson = False,
    nats: Nats = "",
    home: Home = HOME,
) -> None:
    """Take a number into the platform; for a tenant, or nobody's yet."""
    wanted = operation(
        m.CreateNumber, number=number, label=label, assistant=assistant or None, max_concurrent_calls=calls
    )
    _show(asked(home, nats, ROUTER_NUMBERS, wanted, tenant).items[0], as_json=as_json)


@app.command()
def assign(
    number: _Number,
    *,
    tenant: Tenant,
    assistant: _Assistant = "",
    as_json: AsJson = False,
    nats: Nats = "",
    home: Home = HOME,
) -> None:
    """Give a number to a tenant; what its former one had set is gone."""
    wanted = operation(m.AssignNumber, number=number, assistant=assistant or None)
    _show(asked(home, nats, ROUTER_NUMBERS, wanted, tenant).items[0], as_json=as_json)


@app.command()
def unassign(number: _Number, *, as_json: AsJson = False, nats: Nats = "", home: Home = HOME) -> None:
    """Take a number from its tenant; then it is nobody's."""
    wanted = operation(m.AssignNumber, number=number)
    show_one(asked(home, nats, ROUTER_NUMBERS, wanted).items[0], as_json=as_json)


@app.command("list")
def list_(*, tenant: AnyTenant = "", as_json: AsJson = False, nats: Nats = "", home: Home = HOME) -> None:
    """Show the numbers of a tenant, or all."""
    show_all(listed(home, nats, ROUTER_NUMBERS, m.ListNumbers, tenant), _COLUMNS, as_json=as_json)


def _show(number: m.NumberView, *, as_json: bool) -> None:
    show_one(number, as_json=as_json)
    if not as_json and number.tenant is not None and number.assistant is None:
        plain_console().print(
            "Calls to it are refused until it has an assistant: assign it again with --assistant, or "
            f"PATCH /v1/numbers/{number.number} over REST.",
            soft_wrap=True,
        )
