from __future__ import annotations

from pathlib import Path

import pytest

from analytics_service.errors import QueryRefused
from trunkline.errors import NotRunning
from trunkline.reporting import ask_store


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "analytics").mkdir()
    return tmp_path


def test_a_store_that_nobody_holds_is_asked_directly(home: Path) -> None:
    result = ask_store(home, "SELECT number, toDate('2026-01-02') AS day FROM numbers(3);", 2)
    assert result.columns == ("number", "day")
    assert result.rows == ((0, "2026-01-02"), (1, "2026-01-02"))
    assert result.truncated


@pytest.mark.parametrize(
    "sql", ["DROP TABLE turns", "SELECT 1; SELECT 2", "SELECT * FROM file('/etc/passwd')"]
)
def test_it_is_asked_no_more_than_the_service_would_be(home: Path, sql: str) -> None:
    with pytest.raises(QueryRefused):
        ask_store(home, sql, 10)


def test_a_home_where_nothing_was_recorded_is_said_to_be_one(tmp_path: Path) -> None:
    with pytest.raises(
        NotRunning, match=r"no platform runs in .* and none has recorded.*trunkline up --home"
    ):
        ask_store(tmp_path, "SELECT 1", 10)
    assert list(tmp_path.iterdir()) == []
