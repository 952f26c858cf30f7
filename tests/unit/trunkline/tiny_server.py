"""A process to supervise: answers every HTTP request on a port with 200, and does one thing badly if told.

python -IS tiny_server.py PORT MODE, with MODE one of: good, stubborn (ignores SIGTERM), mute (never answers),
broken (says why and exits 3), unless:FILE (broken where FILE is), second (ends when asked twice), slow (ends
half a second after it was asked), parent (starts a process of its own that ignores SIGTERM, and says its pid)
"""

import signal
import socket
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

port, mode = int(sys.argv[1]), sys.argv[2]
say = partial(print, flush=True)
say(f"{mode} on {port}")
if mode == "broken" or (mode.startswith("unless:") and Path(mode.removeprefix("unless:")).exists()):
    say("something led up to it\nerror: the model is missing (install it)")
    sys.exit(3)
if mode in ("stubborn", "grandchild"):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
asked: list[int] = []


def ask(number: int, _: object) -> None:
    asked.append(number)
    if len(asked) == 2:
        say("asked twice")
        sys.exit(0)
    if mode == "slow":
        signal.signal(signal.SIGALRM, lambda *_: sys.exit(0))
        signal.setitimer(signal.ITIMER_REAL, 0.5)


if mode in ("second", "slow"):
    signal.signal(signal.SIGTERM, ask)
if mode in ("mute", "grandchild"):
    time.sleep(600)
if mode == "parent":
    child = subprocess.Popen([sys.executable, "-IS", __file__, str(port), "grandchild"])
    say(f"child {child.pid}")
with socket.create_server(("127.0.0.1", port)) as server:
    while True:
        connection, _ = server.accept()
        with connection:
            connection.recv(1024)
            connection.sendall(b"HTTP/1.0 200 OK\r\n\r\n")
