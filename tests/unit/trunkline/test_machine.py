from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from trunkline import machine
from trunkline.machine import describe_machine, memory_mb


def test_a_machine_has_cores_memory_and_a_load() -> None:
    facts = describe_machine()
    assert facts["cores"] >= 1
    assert facts["memory_gb"] > 0
    assert len(facts["load_average"]) == 3


def test_memory_is_that_of_a_process_and_of_what_it_started() -> None:
    grow = (
        "import sys; kept = bytearray(60_000_000); kept[::4096] = b'x' * len(kept[::4096]); print(); input()"
    )
    own = memory_mb({"me": os.getpid()})["me"]
    command = [sys.executable, "-IS", "-c", grow]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        child.stdout.readline()
        found = memory_mb({"me": os.getpid(), "child": child.pid})
        child.communicate("\n")
    assert found["child"] > 55
    assert found["me"] > own + 55


def test_a_process_that_is_gone_is_left_out() -> None:
    with subprocess.Popen([sys.executable, "-IS", "-c", ""]) as child:
        child.wait()
    assert memory_mb({"gone": child.pid}) == {}


def test_where_there_is_no_proc_ps_is_asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    listing = "  1     0  1000\n 10     1  2000\n 11    10  3000\n"
    monkeypatch.setattr(machine, "_PROC", tmp_path / "no-proc")
    monkeypatch.setattr(shutil, "which", lambda _: "/bin/ps")
    monkeypatch.setattr(
        subprocess, "run", lambda command, **_: subprocess.CompletedProcess(command, 0, listing)
    )
    assert memory_mb({"ten": 10, "eleven": 11, "twelve": 12}) == {"ten": 5.1, "eleven": 3.1}
