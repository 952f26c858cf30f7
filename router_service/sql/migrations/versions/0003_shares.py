"""What a tenant gets of an engine that many want: on a plan, or on a subscription of its own."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the shares; the plans that there are count the same."""
    op.add_column("plans", sa.Column("share", sa.Integer, nullable=False, server_default="1"))
    op.add_column("subscriptions", sa.Column("share", sa.Integer, nullable=True))
