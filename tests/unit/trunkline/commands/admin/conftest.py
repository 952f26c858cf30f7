"""A router of its own process on a guarded bus, and the command line as its operator."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.unit.trunkline.command_line import Cli
from trunkline.bus_users import BusUsers
from trunkline.nats_server import NatsServer
from trunkline.ports import free_ports
from trunkline.readiness import HttpOk

TENANTS = """
tenants:
  acme:
    name: Acme Dental
    assistants:
      desk: {name: Desk, greeting: Hello, prompt: Answer.}
    numbers:
      "+15550100": {assistant: desk}
"""


@pytest.fixture(scope="module")
def bus_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where the operator finds the router."""
    folder = tmp_path_factory.mktemp("router")
    (folder / "tenants.yaml").write_text(TENANTS, encoding="utf-8")
    users, (health,) = BusUsers(), free_ports(1)
    with NatsServer(folder / "nats", users=[users.of("router"), users.operator]) as server:
        env = {
            **os.environ,
            **users.of("router").environment,
            "TRUNKLINE_NATS_URL": server.url,
            "TRUNKLINE_HOME": str(folder),
            "TRUNKLINE_ROUTER_TENANTS_FILE": str(folder / "tenants.yaml"),
            "TRUNKLINE_ROUTER_PASSWORD_MEMORY_KIB": "8",
            "TRUNKLINE_HEALTH_PORT": str(health),
        }
        with subprocess.Popen([sys.executable, "-m", "router_service"], env=env) as router:
            deadline_s = time.monotonic() + 60
            while not asyncio.run(HttpOk(health).passes()):
                assert router.poll() is None, "the router ended"
                assert time.monotonic() < deadline_s, "the router is not ready"
                time.sleep(0.05)
            who = f"{users.operator.name}:{users.operator.password}@"
            yield server.url.replace("://", f"://{who}")
            router.terminate()


@pytest.fixture
def admin(cli: Cli, bus_url: str, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """`trunkline admin …` on that bus."""

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setenv("TRUNKLINE_NATS_URL", bus_url)
        return cli("admin", *arguments)

    return run


@pytest.fixture
def answer(admin: Cli) -> Callable[..., Any]:
    """What a command answers as JSON; it must succeed."""

    def run(*arguments: object) -> Any:
        status, out, err = admin(*arguments, "--json")
        assert (status, err) == (0, "")
        return json.loads(out)

    return run
