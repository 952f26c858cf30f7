"""A process to supervise: answers every HTTP request on a port with 200, and does one thing badly if told.

python -IS tiny_server.py PORT MODE, with MODE one of: good, stubborn (ignores SIGTERM), mute (never answers),
broken (says why and exits 3), parent (starts a process of its own that ignores SIGTERM, and says its pid)
"""

import signal
import socket
import subprocess
import sys
import time
from functools import partial

port, mode = int(sys.argv[1]), sys.argv[2]
say = partial(print, flush=True)
say(f"{mode} on {port}")
if mode == "broken":
    say("something led up to it\nerror: the model is missing (install it)")
    sys.exit(3)
if mode in ("stubborn", "grandchild"):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
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
