"""Ports of the loopback interface: free ones to give away, and whether one that was asked for is."""

from __future__ import annotations

import socket
from contextlib import ExitStack, closing
from typing import Final

from trunkline.errors import BadOption

LOOPBACK: Final = "127.0.0.1"


def free_ports(count: int) -> list[int]:
    """Different ports on which nobody listens; all are held until the last one is found."""
    with ExitStack() as held:
        probes = [held.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind((LOOPBACK, 0))
        return [probe.getsockname()[1] for probe in probes]


def is_free(port: int, host: str = LOOPBACK) -> bool:
    """Whether a server could listen there now."""
    with closing(socket.socket()) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do, after a restart
        try:
            probe.bind((host, port))
        except OSError:
            return False
        return True


def require_free(port: int, flag: str, host: str = LOOPBACK) -> None:
    """Raise BadOption, naming `flag`, for a port that is taken."""
    if not is_free(port, host):
        raise BadOption(
            f"port {port} on {host} is in use", mend=f"choose another with {flag}; 0 takes any that is free"
        )
