"""`trunkline restart` against a platform of small processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.trunkline.command_line import Cli
from trunkline.errors import NotRunning
from trunkline.state import RunningPlatform, read_state

PROGRAM = """
import pytest
from tests.unit.trunkline.test_local_platform import small_processes
from trunkline import local_platform
from trunkline.cli import main
local_platform._BETWEEN_RESTARTS_S = 0.0
with pytest.MonkeyPatch.context() as patch:
    small_processes(patch, names=("stt-1", "stt-2", "tts"))
    main()
"""


@pytest.fixture
def running(tmp_path: Path) -> Iterator[RunningPlatform]:
    """A platform that another process runs."""
    command = [sys.executable, "-c", PROGRAM, "up", "--port", "0", "--home", str(tmp_path)]
    root = Path(__file__).resolve().parents[4]
    with subprocess.Popen(command, cwd=root, stdout=subprocess.DEVNULL) as up:
        state: RunningPlatform | None = None
        deadline_s = time.monotonic() + 30
        while time.monotonic() < deadline_s and up.poll() is None:
            try:
                state = read_state(tmp_path)
            except NotRunning:
                time.sleep(0.05)
            else:
                break
        assert state is not None, "it has not come up"
        yield state
        up.send_signal(signal.SIGINT)
        assert up.wait(20) == 0


def pids(home: Path) -> dict[str, int]:
    return {one.name: one.pid for one in read_state(home).processes}


def test_a_service_is_restarted_and_the_rest_left_alone(
    cli: Cli, tmp_path: Path, running: RunningPlatform
) -> None:
    before = pids(tmp_path)
    status, out, err = cli("restart", "stt", "--home", tmp_path)
    assert (status, err) == (0, "")
    assert [line.split()[:2] for line in out.splitlines()] == [["stt-1", "restarted"], ["stt-2", "restarted"]]
    after = pids(tmp_path)
    assert after["tts"] == before["tts"]
    assert after["stt-1"] != before["stt-1"]
    assert after["stt-2"] != before["stt-2"]
    os.kill(after["stt-2"], 0)


def test_all_means_every_service(cli: Cli, tmp_path: Path, running: RunningPlatform) -> None:
    before = pids(tmp_path)
    status, out, _ = cli("restart", "--all", "--home", tmp_path)
    assert status == 0
    assert len(out.splitlines()) == 3
    assert not set(before.values()) & set(pids(tmp_path).values())


def test_a_name_that_there_is_not_is_an_error(cli: Cli, tmp_path: Path, running: RunningPlatform) -> None:
    status, out, err = cli("restart", "llm", "--home", tmp_path)
    assert (status, out) == (1, "")
    assert err == "error: there is no process 'llm' (use any of stt-1 stt-2 tts)\n"


@pytest.mark.parametrize("arguments", [(), ("stt", "--all")])
def test_what_is_meant_must_be_said(cli: Cli, arguments: tuple[str, ...]) -> None:
    status, _, err = cli("restart", *arguments)
    assert status == 1
    assert "name processes or services, or say --all" in err


def test_where_nothing_runs_that_is_said(cli: Cli, tmp_path: Path) -> None:
    status, _, err = cli("restart", "--all", "--home", tmp_path)
    assert status == 1
    assert "no platform runs in" in err
