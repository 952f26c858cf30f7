from __future__ import annotations

import http.client
import json
import socket
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from llm_service import local_server
from llm_service.errors import EngineUnavailable
from llm_service.settings import Settings
from models.errors import ModelMissing


def test_it_listens_on_loopback_and_names_its_model(local_llm: str) -> None:
    address = urlsplit(local_llm)
    assert address.hostname == "127.0.0.1"
    connection = http.client.HTTPConnection(address.hostname, address.port or 0, timeout=10)
    connection.request("GET", "/v1/models")
    models = json.load(connection.getresponse())
    connection.request("GET", "/health")
    assert connection.getresponse().status == 200
    connection.close()
    assert [model["id"] for model in models["data"]] == [Settings().llm_local_model]


def test_a_port_that_is_taken_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert local_server.main(["--port", str(port)]) == 1
    assert f"error: port {port} of 127.0.0.1" in capsys.readouterr().err


def test_a_model_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelMissing, match="'no-such-model'"):
        local_server.start(Settings(home=tmp_path, llm_local_model="no-such-model"), port=0)


def test_a_file_that_is_no_model_is_named(tmp_path: Path) -> None:
    junk = tmp_path / "junk.gguf"
    junk.write_bytes(b"this is not a model")
    with pytest.raises(EngineUnavailable, match=r"junk\.gguf does not load"):
        local_server.start(Settings(home=tmp_path, llm_local_model=str(junk)), port=0)


def test_it_ends_when_the_process_that_started_it_is_gone(tmp_path: Path) -> None:
    """A shell starts it, waits and dies; the pipe closes when the server is gone too."""
    command = f"{sys.executable} -m llm_service.local_server --port 0 & read line"
    with subprocess.Popen(
        ["/bin/sh", "-c", command],
        env={"TRUNKLINE_HOME": str(tmp_path), "TRUNKLINE_EXIT_WITH_PARENT": "true"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as shell:
        assert shell.stdout is not None
        assert shell.stdout.readline().startswith(b"ready ")
        shell.kill()
        assert shell.stdout.read() == b""
