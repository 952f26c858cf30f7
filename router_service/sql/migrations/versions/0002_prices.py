"""What a minute costs: on a plan, or on a subscription of its own."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

JSON_DOCUMENT = sa.JSON(none_as_null=True).with_variant(postgresql.JSONB(none_as_null=True), "postgresql")


def upgrade() -> None:
    """Add the prices; what there is already is not charged by the minute."""
    for table in ("plans", "subscriptions"):
        op.add_column(table, sa.Column("price", JSON_DOCUMENT, nullable=True))
