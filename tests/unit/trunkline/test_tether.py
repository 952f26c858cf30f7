from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from pathlib import Path

import trunkline.tether
from tests.support.waiting import eventually
from tests.unit.trunkline.test_supervisor import state_of

TETHER = trunkline.tether.__file__
SLEEPER = "import time; print('here', flush=True); time.sleep(600)"


def test_the_exit_status_of_the_program_is_that_of_the_tether() -> None:
    command = [sys.executable, "-IS", TETHER, sys.executable, "-IS", "-c", "raise SystemExit(7)"]
    assert subprocess.run(command, check=False).returncode == 7


def test_a_signal_is_passed_on() -> None:
    command = [sys.executable, "-IS", TETHER, sys.executable, "-IS", "-c", SLEEPER]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as tether:
        assert tether.stdout is not None
        assert tether.stdout.readline() == "here\n"
        tether.send_signal(signal.SIGTERM)
        assert tether.wait(10) == 128 + signal.SIGTERM


async def test_the_program_ends_when_the_parent_is_killed(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    program = f"import os, time; open({str(note)!r}, 'w').write(str(os.getpid())); time.sleep(600)"
    parent = (
        "import subprocess, sys, time;"
        f"subprocess.Popen([sys.executable, '-IS', {TETHER!r}, sys.executable, '-IS', '-c', {program!r}]);"
        "time.sleep(600)"
    )
    middle = await asyncio.create_subprocess_exec(sys.executable, "-IS", "-c", parent)
    await eventually(lambda: note.exists() and note.read_text(), "the program")
    pid = int(note.read_text())
    assert state_of(pid) not in ("gone", "Z")
    middle.kill()
    await middle.wait()
    await eventually(lambda: state_of(pid) in ("gone", "Z"), "its end")
