"""Brings a database to the schema of this build: numbered files once each, views at every start."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib.resources import files

from clickhouse_connect.driver.client import Client

from analytics_service.errors import SchemaTooNew

_STATEMENT_END = re.compile(r";\s*(?:\n|$)")


@dataclass(frozen=True, slots=True)
class Migration:
    """One numbered file of `tables/`."""

    version: int
    name: str
    statements: tuple[str, ...]


def migrations() -> list[Migration]:
    """The files of `tables/`, in order."""
    return [
        Migration(int(name.split("_", 1)[0]), name, _statements(text))
        for name, text in _sql_of("analytics_service.tables")
    ]


def views() -> list[str]:
    """The statements of `views/`, in an order in which each finds those that it is made of."""
    return [statement for _, text in _sql_of("analytics_service.views") for statement in _statements(text)]


def migrate(client: Client) -> None:
    """Bring the client's database up to date; may be run again, and by several processes at once.

    Raises SchemaTooNew where a newer build was here before.
    """
    client.command(
        "CREATE TABLE IF NOT EXISTS schema_migrations"
        " (version UInt32, name String, applied_at DateTime64(3, 'UTC') DEFAULT now64(3))"
        " ENGINE = ReplacingMergeTree ORDER BY version"
    )
    known = migrations()
    done = {row[0] for row in client.query("SELECT DISTINCT version FROM schema_migrations").result_rows}
    newest = known[-1].version
    if max(done, default=0) > newest:
        raise SchemaTooNew(
            f"the store has schema {max(done)}; this build knows {newest}", mend="upgrade this service"
        )
    for migration in known:
        if migration.version not in done:
            for statement in migration.statements:
                client.command(statement)
            client.insert(
                "schema_migrations", [[migration.version, migration.name]], column_names=["version", "name"]
            )
    for view in views():
        client.command(view)


def _sql_of(package: str) -> list[tuple[str, str]]:
    found = [one for one in files(package).iterdir() if one.name.endswith(".sql")]
    return [(one.name, one.read_text(encoding="utf-8")) for one in sorted(found, key=lambda one: one.name)]


def _statements(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in _STATEMENT_END.split(text) if part.strip())
