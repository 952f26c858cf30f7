from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from trunkline.errors import AlreadyRunning, BadOption, NotRunning
from trunkline.state import RunningPlatform, RunningProcess, claimed, last_state, read_state, write_state

STATE = RunningPlatform(
    version="0.1.0",
    pid=4711,
    started_us=1,
    nats_url="nats://127.0.0.1:4222",
    media_url="ws://127.0.0.1:8080/media/twilio",
    tenants=Path("tenants.yaml"),
    processes=(RunningProcess(name="stt", pid=4712, health_port=9000),),
)


def test_other_commands_find_what_runs(tmp_path: Path) -> None:
    with claimed(tmp_path):
        write_state(tmp_path, STATE)
        assert read_state(tmp_path) == STATE


def test_what_others_could_use_is_for_the_owner_alone(tmp_path: Path) -> None:
    state = STATE.model_copy(update={"nats_user": "trunkline", "nats_password": "s3cret"})
    with claimed(tmp_path):
        write_state(tmp_path, state)
        assert (tmp_path / "up.json").stat().st_mode & 0o077 == 0
        assert read_state(tmp_path).bus_url == "nats://trunkline:s3cret@127.0.0.1:4222"
    assert "s3cret" not in repr(state)
    assert STATE.bus_url == STATE.nats_url


def test_a_second_platform_is_told_where_the_first_one_is(tmp_path: Path) -> None:
    with claimed(tmp_path):
        write_state(tmp_path, STATE)
        with (
            pytest.raises(AlreadyRunning, match=r"process 4711, ws://127.0.0.1:8080.*--home"),
            claimed(tmp_path),
        ):
            pytest.fail("two platforms in one home")


def test_a_home_is_free_again_afterwards(tmp_path: Path) -> None:
    with claimed(tmp_path):
        write_state(tmp_path, STATE)
    with pytest.raises(NotRunning, match="no platform runs in"):
        read_state(tmp_path)
    with claimed(tmp_path):
        pass


def test_what_a_killed_platform_left_behind_is_recognized(tmp_path: Path) -> None:
    code = (
        "import os, signal, sys; from pathlib import Path;"
        "from tests.unit.trunkline.test_state import STATE, claimed, write_state;"
        f"home = Path({str(tmp_path)!r});"
        "claim = claimed(home); claim.__enter__(); write_state(home, STATE);"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -9
    with pytest.raises(NotRunning, match=r"was killed \(its process was 4711\).*trunkline up"):
        read_state(tmp_path)
    with claimed(tmp_path):
        assert last_state(tmp_path) == STATE


def test_a_home_that_was_never_used_runs_nothing(tmp_path: Path) -> None:
    with pytest.raises(NotRunning, match="no platform runs in"):
        read_state(tmp_path / "never")
    assert not (tmp_path / "never").exists()


def test_a_state_that_is_not_one_is_said_to_be_so(tmp_path: Path) -> None:
    with claimed(tmp_path):
        (tmp_path / "up.json").write_text('{"pid": "many"}')
        with pytest.raises(NotRunning, match=r"up.json cannot be read"):
            read_state(tmp_path)
        assert last_state(tmp_path) is None


def test_a_home_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("")
    with pytest.raises(BadOption, match=r"cannot be used as home.*--home"), claimed(tmp_path / "home"):
        pytest.fail("a file as home")
