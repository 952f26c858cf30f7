"""How commands end: the exit status, one line on standard error, no traceback."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.unit.trunkline.command_line import Cli
from tests.unit.trunkline.test_state import STATE
from trunkline.state import claimed, write_state


def test_it_says_its_version_and_its_commands(cli: Cli) -> None:
    assert cli("--version")[:2] == (0, f"trunkline {version('trunkline')}\n")
    status, out, _ = cli("--help")
    assert status == 0
    commands = ("up", "call", "demo", "load", "record", "replay", "report", "sql", "doctor")
    assert all(f"  {name} " in out for name in commands)


def test_as_a_module_it_is_the_same_program() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "trunkline", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout == f"trunkline {version('trunkline')}\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ["fly"],
        ["call"],
        ["call", "x.wav"],
        ["up", "--port", "70000"],
        ["sql"],
        ["sql", "SELECT 1", "--format", "xml"],
    ],
)
def test_what_it_does_not_understand_is_status_2(cli: Cli, arguments: list[str]) -> None:
    status, _, err = cli(*arguments)
    assert status == 2
    assert "Error" in err


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "cannot be read"),
        (b"", "is empty"),
        (b"ID3\x04 not a wav", "is not a WAV file"),
        (b"RIFF\x00\x00\x00\x00WAVE", "has no data chunk"),
    ],
)
def test_a_wav_that_is_not_one_is_named(cli: Cli, tmp_path: Path, content: bytes | None, said: str) -> None:
    if content is not None:
        (tmp_path / "song.wav").write_bytes(content)
    status, _, err = cli("call", "song.wav", "--to", "+15550100")
    assert status == 1
    assert err.startswith("error: song.wav ")
    assert said in err
    assert err.rstrip().endswith(")")
    assert len(err.splitlines()) == 1


def test_sql_where_nothing_was_recorded_says_how_to_begin(cli: Cli) -> None:
    status, out, err = cli("sql", "SELECT 1", "--home", "nowhere")
    assert (status, out) == (1, "")
    assert err.startswith(
        "error: no platform runs in nowhere and none has recorded anything there (start one"
    )


def test_up_in_a_home_that_is_taken_says_by_whom(cli: Cli, tmp_path: Path) -> None:
    with claimed(tmp_path / "home"):
        write_state(tmp_path / "home", STATE)
        status, _, err = cli("up", "--home", "home")
    assert status == 1
    assert "a platform runs in" in err
    assert "(process 4711, ws://127.0.0.1:8080/media/twilio)" in err
    assert "Traceback" not in err


def test_up_with_tenants_that_are_not_there_names_the_option(cli: Cli) -> None:
    status, _, err = cli("up", "--tenants", "mine.yaml")
    assert (status, err) == (1, "error: there is no tenants file mine.yaml (name one with --tenants)\n")


def test_a_setting_that_is_refused_is_named(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "analytics").mkdir()
    monkeypatch.setenv("TRUNKLINE_ANALYTICS_BATCH_S", "soon")
    status, _, err = cli("sql", "SELECT 1", "--home", tmp_path)
    assert status == 1
    assert err.startswith("error: TRUNKLINE_ANALYTICS_BATCH_S='soon'")
