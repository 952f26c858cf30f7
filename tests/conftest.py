"""Servers that tests start for themselves, on free ports of the loopback interface."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from tests.support.databases import database_url, postgres, pytest_report_header
from trunkline.nats_server import NatsServer

__all__ = ["database_url", "nats_server", "nats_url", "postgres", "pytest_report_header"]

# How long an example takes says something of the machine, and nothing of what is tested.
hypothesis.settings.register_profile(
    "untimed", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("untimed")


@pytest.fixture
def nats_server(tmp_path: Path) -> Iterator[NatsServer]:
    """A fresh nats-server with JetStream."""
    with NatsServer(tmp_path / "nats") as server:
        yield server


@pytest.fixture
def nats_url(nats_server: NatsServer) -> str:
    """Where the fresh nats-server listens."""
    return nats_server.url
