"""`trunkline up`, with small processes in the place of ours."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.unit.trunkline.command_line import Cli
from tests.unit.trunkline.test_local_platform import small_processes
from tests.unit.trunkline.test_supervisor import lives
from trunkline.errors import NotRunning
from trunkline.state import RunningPlatform, read_state


def interrupt_when_up(home: Path, seen: list[RunningPlatform]) -> threading.Thread:
    """Presses Ctrl-C as soon as the platform says that it runs."""

    def press() -> None:
        deadline_s = time.monotonic() + 20
        while time.monotonic() < deadline_s:
            try:
                seen.append(read_state(home))
            except NotRunning:
                time.sleep(0.02)
            else:
                break
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=press)
    thread.start()
    return thread


def test_it_runs_until_ctrl_c_and_leaves_nothing(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_processes(monkeypatch)
    seen: list[RunningPlatform] = []
    thread = interrupt_when_up(tmp_path / ".trunkline", seen)
    status, out, err = cli("up", "--port", "0", "--no-rest")
    thread.join()
    assert (status, err) == (0, "")
    (state,) = seen
    lines = out.splitlines()
    assert sorted(line.split()[0] for line in lines[1:3]) == ["one", "two"]
    assert all(line.rstrip().endswith(" ms") for line in lines[1:3])
    assert f"Calls: {state.media_url}" in lines[3]
    assert lines[4].startswith("Stopping")
    assert "Logs: .trunkline/logs" in lines[3]
    assert not any(lives(one.pid) for one in state.processes)


def test_a_process_that_will_not_start_ends_it_with_its_own_words(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_processes(monkeypatch, two="broken")
    status, out, err = cli("up", "--port", "0", "--no-rest")
    assert status == 1
    assert err.startswith("error: two did not start: the model is missing (install it) (its log: ")
    assert "Ready in" not in out


def test_a_number_that_cannot_be_called_is_said(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_processes(monkeypatch)
    tenants = tmp_path / "tenants.yaml"
    tenants.write_text(
        "tenants: {a: {name: A, assistants: {}, numbers: {'+15550100': {assistant: nobody}}}}",
        encoding="utf-8",
    )
    thread = interrupt_when_up(tmp_path / ".trunkline", [])
    status, out, _ = cli("up", "--port", "0", "--no-rest", "--tenants", tenants)
    thread.join()
    assert status == 0
    assert "cannot be called: +15550100: tenant a has no assistant 'nobody'" in out


WITHOUT_A_BUS = """
import pytest
from tests.unit.trunkline.test_local_platform import small_processes
from trunkline.cli import main
with pytest.MonkeyPatch.context() as patch:
    small_processes(patch, names=("router", "two"))
    main()
"""


def test_a_first_key_that_cannot_be_made_is_said_and_the_platform_stays(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-uc",
        WITHOUT_A_BUS,
        "up",
        "--port",
        "0",
        "--no-rest",
        "--home",
        str(tmp_path),
    ]
    root = Path(__file__).resolve().parents[4]
    with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True) as up:
        assert up.stdout is not None
        said = next(line for line in iter(up.stdout.readline, "") if "admin key" in line)
        assert said.startswith("  no admin key: no NATS server answers at nats://127.0.0.1:")
        assert said.endswith("trunkline admin key create --label NAME makes one\n")
        assert read_state(tmp_path).pid == up.pid
        up.send_signal(signal.SIGINT)
        assert up.wait(20) == 0
