"""The migrations, run on an empty database, give exactly the tables that the code works with."""

from pathlib import Path

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from router_service.sql.engine import open_engine
from router_service.sql.migrate import configuration, migrate
from router_service.sql.tables import METADATA


async def test_the_migrations_and_the_tables_are_the_same(database_url: str) -> None:
    engine = open_engine(database_url, Path())
    await migrate(engine)

    def differences(connection: Connection) -> list[object]:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "compare_server_default": True}
        )
        return list(compare_metadata(context, METADATA))

    async with engine.connect() as connection:
        assert await connection.run_sync(differences) == []
    await engine.dispose()


async def test_a_difference_would_be_found(database_url: str) -> None:
    engine = open_engine(database_url, Path())
    await migrate(engine)

    def differences(connection: Connection) -> list[object]:
        connection.exec_driver_sql("ALTER TABLE tenants DROP COLUMN name")
        return list(compare_metadata(MigrationContext.configure(connection), METADATA))

    async with engine.connect() as connection:
        assert len(await connection.run_sync(differences)) == 1
    await engine.dispose()


async def test_migrating_again_changes_nothing(database_url: str) -> None:
    engine = open_engine(database_url, Path())
    for _ in range(2):
        await migrate(engine)

    def heads(connection: Connection) -> tuple[set[str], set[str]]:
        scripts = ScriptDirectory.from_config(configuration(connection))
        return set(MigrationContext.configure(connection).get_current_heads()), set(scripts.get_heads())

    async with engine.connect() as connection:
        current, wanted = await connection.run_sync(heads)
    assert current == wanted
    assert len(wanted) == 1
    await engine.dispose()
