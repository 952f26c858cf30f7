from __future__ import annotations

import json
from pathlib import Path

import pytest

from contracts.channels import ANALYTICS_QUERY
from contracts.messages import SqlQuery, SqlResult
from runtime.settings import ProcessSettings
from tests.support.context import service_context
from tests.unit.trunkline.command_line import Cli
from tests.unit.trunkline.test_state import STATE
from trunkline.commands.sql import Format, write_rows
from trunkline.reporting import ask_running
from trunkline.state import claimed, write_state

ROWS = SqlResult(columns=("turn", "text"), rows=((1, 'said "hi"'), (2, None)))


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "analytics").mkdir()
    return tmp_path


@pytest.mark.parametrize(
    ("form", "written"),
    [
        (Format.CSV, 'turn,text\n1,"said ""hi"""\n2,\n'),
        (
            Format.JSON,
            json.dumps([{"turn": 1, "text": 'said "hi"'}, {"turn": 2, "text": None}], indent=1) + "\n",
        ),
    ],
)
def test_rows_for_programs(form: Format, written: str, capsys: pytest.CaptureFixture[str]) -> None:
    write_rows(ROWS, form)
    assert capsys.readouterr().out == written


def test_rows_for_people_keep_their_brackets(capsys: pytest.CaptureFixture[str]) -> None:
    write_rows(SqlResult(columns=("list[0]",), rows=(("[red] is no colour",),)), Format.TABLE)
    out = capsys.readouterr().out
    assert "list[0]" in out
    assert "[red] is no colour" in out


def test_a_store_that_nobody_holds_is_read(cli: Cli, home: Path) -> None:
    status, out, err = cli("sql", "SELECT 1 AS one, 'x' AS two", "--home", home, "--format", "csv")
    assert (status, out, err) == (0, "one,two\n1,x\n", "")


def test_more_rows_than_asked_for_are_said_to_be_there(cli: Cli, home: Path) -> None:
    status, out, err = cli(
        "sql", "SELECT number FROM numbers(9)", "--home", home, "--max-rows", 2, "--format", "csv"
    )
    assert (status, out) == (0, "number\n0\n1\n")
    assert "There are more rows; --max-rows is 2." in err


def test_a_statement_that_writes_is_refused(cli: Cli, home: Path) -> None:
    status, out, err = cli("sql", "DROP TABLE event_log", "--home", home)
    assert (status, out) == (1, "")
    assert err.startswith("error: DROP may not be asked")


def test_a_platform_whose_bus_is_gone_is_said_to_be(
    cli: Cli, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trunkline.bus_client._CONNECT_S", 0.2)
    with claimed(home):
        write_state(home, STATE.model_copy(update={"nats_url": "nats://127.0.0.1:1"}))
        status, _, err = cli("sql", "SELECT 1", "--home", home)
    assert status == 1
    assert "no NATS server answers at nats://127.0.0.1:1" in err


async def test_a_running_platform_is_asked_over_its_bus(nats_url: str) -> None:
    async with service_context(ProcessSettings(nats_url=nats_url), "analytics") as context:

        async def answer(query: SqlQuery) -> SqlResult:
            return SqlResult(columns=("sql",), rows=((query.sql,),))

        await context.bus.respond(ANALYTICS_QUERY.subject(), SqlQuery, SqlResult, answer)
        assert (await ask_running(nats_url, "SELECT 7", 5)).rows == (("SELECT 7",),)
