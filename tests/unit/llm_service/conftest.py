from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from models.store import ModelStore


@pytest.fixture(scope="session")
def model_store(tmp_path_factory: pytest.TempPathFactory) -> ModelStore:
    """The models of this machine."""
    return ModelStore(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="session")
def local_llm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The base URL of the real local model server, in a process of its own on a free port."""
    home: Path = tmp_path_factory.mktemp("home")
    command = [sys.executable, "-m", "llm_service.local_server", "--port", "0"]
    with subprocess.Popen(
        command, env={"TRUNKLINE_HOME": str(home), "TRUNKLINE_EXIT_WITH_PARENT": "1"}, stdout=subprocess.PIPE
    ) as server:
        assert server.stdout is not None
        word, _, url = server.stdout.readline().decode().strip().partition(" ")
        assert word == "ready", "its error is on stderr"
        yield url
        server.terminate()
        assert server.wait(timeout=10) == 0
