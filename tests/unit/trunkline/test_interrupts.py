from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

PROGRAM = """
    import asyncio, sys
    from trunkline.interrupts import run_interruptible

    async def main(interrupts):
        hurried = asyncio.Event()
        interrupts.hurry = hurried.set
        try:
            print("up", flush=True)
            await asyncio.Event().wait()
        finally:
            print("stopping", flush=True)
            if "slow" in sys.argv:
                await hurried.wait()
                print("hurried", flush=True)

    sys.exit(run_interruptible(main))
"""


@contextmanager
def program(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", textwrap.dedent(PROGRAM), *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        yield process


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_in_order(number: signal.Signals) -> None:
    with program() as process:
        process.send_signal(number)
        assert process.communicate(timeout=20)[0] == "stopping\n"
    assert process.returncode == 130


def test_a_second_signal_says_that_there_is_no_time() -> None:
    with program("slow") as process:
        process.send_signal(signal.SIGINT)
        assert process.stdout is not None
        assert process.stdout.readline() == "stopping\n"
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=20)[0] == "hurried\n"
    assert process.returncode == 130
