"""What Alembic runs to migrate: on the connection it is given, within that connection's transaction."""

from __future__ import annotations

from alembic import context

from router_service.sql.tables import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    transactional_ddl=False,  # the transaction is the caller's
)
context.run_migrations()
