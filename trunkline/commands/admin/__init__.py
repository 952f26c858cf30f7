"""`trunkline admin`: first steps on a running platform, as its operator."""

from __future__ import annotations

import typer

from trunkline.commands.admin import assistants, keys, numbers, tenants, users

app = typer.Typer(
    name="admin",
    help="First steps: tenants, their users, numbers and keys, and what answers.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
for group in (tenants.app, users.app, numbers.app, keys.app, assistants.app):
    app.add_typer(group)
