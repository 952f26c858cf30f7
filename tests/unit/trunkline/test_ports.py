from __future__ import annotations

import socket

import pytest

from trunkline.errors import BadOption
from trunkline.ports import free_ports, is_free, require_free


def test_free_ports_are_different_and_free() -> None:
    ports = free_ports(20)
    assert len(set(ports)) == 20
    assert all(is_free(port) for port in ports)


def test_a_port_in_use_is_refused_with_its_flag() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert not is_free(port)
        with pytest.raises(
            BadOption, match=rf"port {port} on 127.0.0.1 is in use \(choose another with --port"
        ):
            require_free(port, "--port")
    require_free(port, "--port")
