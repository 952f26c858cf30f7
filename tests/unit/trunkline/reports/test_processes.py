from __future__ import annotations

import os
import subprocess
import sys

from trunkline.reports.processes import usage, usages

WORK = """
import time
kept = bytearray(50_000_000); kept[::4096] = b"x" * len(kept[::4096])
until = time.process_time() + 0.3
while time.process_time() < until: pass
print(flush=True); input()
"""


def test_a_process_is_counted_with_all_that_it_started() -> None:
    before = usage(os.getpid())
    command = [sys.executable, "-IS", "-c", WORK]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        child.stdout.readline()
        found = usages({"me": os.getpid(), "child": child.pid})
        child.communicate("\n")
    assert before is not None
    assert found["child"].cpu_s > 0.2
    assert found["child"].memory_mb > 50
    assert found["me"].cpu_s > before.cpu_s + 0.2
    assert found["me"].memory_mb > before.memory_mb + 50


def test_a_process_that_is_gone_is_left_out() -> None:
    with subprocess.Popen([sys.executable, "-IS", "-c", ""]) as child:
        child.wait()
    assert usages({"gone": child.pid}) == {}
