import asyncio
import threading
from pathlib import Path

import pytest

from router_service.errors import BadConfiguration
from router_service.sql.engine import open_engine


def test_without_an_address_the_database_is_a_file_at_home(tmp_path: Path) -> None:
    engine = open_engine("", tmp_path)

    assert str(engine.url) == f"sqlite+aiosqlite:///{tmp_path / 'router' / 'router.db'}"
    assert (tmp_path / "router").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("scheme", ["postgresql", "postgresql+asyncpg", "postgresql+psycopg"])
def test_postgresql_is_spoken_to_by_one_driver(scheme: str, tmp_path: Path) -> None:
    assert open_engine(f"{scheme}://u:p@h/d", tmp_path).url.drivername == "postgresql+asyncpg"


@pytest.mark.parametrize("url", ["mysql://u:secret@h/d", "nonsense", "://", "oracle://secret@h"])
def test_another_database_is_refused_without_quoting_its_address(url: str, tmp_path: Path) -> None:
    with pytest.raises(BadConfiguration, match="no database that router knows") as refused:
        open_engine(url, tmp_path)

    assert "secret" not in str(refused.value)


async def test_sqlite_keeps_what_it_promised(tmp_path: Path) -> None:
    engine = open_engine("", tmp_path)
    async with engine.connect() as connection:
        pragmas = [
            (await connection.exec_driver_sql(f"PRAGMA {name}")).scalar_one()
            for name in ("journal_mode", "foreign_keys", "synchronous")
        ]

    assert pragmas == ["wal", 1, 2]
    await engine.dispose()


async def test_once_it_is_disposed_of_no_thread_is_left_that_would_speak_to_the_loop(tmp_path: Path) -> None:
    engine = open_engine("", tmp_path)
    before = set(threading.enumerate())

    async def connect() -> None:
        async with engine.connect():
            pass

    connecting = [asyncio.create_task(connect()) for _ in range(8)]
    await asyncio.sleep(0)
    assert set(threading.enumerate()) - before
    for one in connecting:
        one.cancel()
    await asyncio.wait(connecting)
    await engine.dispose()

    assert not set(threading.enumerate()) - before
