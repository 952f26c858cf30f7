"""Ties a program that knows nothing of us to its parent: when the parent is gone, however it went, it ends.

Our own services watch their parent themselves (`exit_with_parent`); nats-server cannot. Run as a file of its
own, `python -IS tether.py PROGRAM ARG...`, because nothing but the standard library's core is needed and
an interpreter without site-packages starts in 10 ms.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from types import FrameType

_POLL_S = 0.2
_GRACE_S = 5.0


def main(command: list[str]) -> int:
    """Run `command`, pass SIGTERM and SIGINT on to it, and end it when this process is orphaned."""
    parent = os.getppid()
    with subprocess.Popen(command) as child:

        def pass_on(number: int, _: FrameType | None) -> None:
            child.send_signal(number)

        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, pass_on)
        while child.poll() is None and os.getppid() == parent:
            time.sleep(_POLL_S)
        return _ended(child)


def _ended(child: subprocess.Popen[bytes]) -> int:
    if child.poll() is None:
        child.terminate()
        try:
            child.wait(_GRACE_S)
        except subprocess.TimeoutExpired:
            child.kill()
    status = child.wait()
    return 128 - status if status < 0 else status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
