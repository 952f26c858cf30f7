"""The real client against a hub on loopback, which answers the four requests that a download makes."""

import hashlib
import json
import socket
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from models.errors import HubUnavailable
from models.hub import HuggingFaceHub

FILES = {"config.json": b"{}", "model.bin": b"weights"}
COMMIT = "c0ffee" + "0" * 34


class Hub(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        path = self.path.split("?")[0]
        if path == "/api/models/org/name/revision/main":
            self.answer(json.dumps({"id": "org/name", "sha": COMMIT, "siblings": []}).encode())
        elif path == f"/api/models/org/name/tree/{COMMIT}":
            entries = [
                {"type": "file", "path": n, "size": len(c), "oid": digest(c)} for n, c in FILES.items()
            ]
            self.answer(json.dumps(entries).encode())
        elif path.startswith(f"/org/name/resolve/{COMMIT}/"):
            content = FILES[path.rsplit("/", 1)[1]]
            self.answer(content, {"ETag": f'"{digest(content)}"', "X-Repo-Commit": COMMIT})
        else:
            self.answer(b"", {"X-Error-Code": "RepoNotFound"}, status=404)

    do_HEAD = do_GET  # noqa: N815  # the name that the server looks for

    def answer(self, content: bytes, headers: Mapping[str, str] | None = None, status: int = 200) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    def log_message(self, *arguments: object) -> None:
        """Keep the test's output its own."""


def digest(content: bytes) -> str:
    return hashlib.sha1(content).hexdigest()


@pytest.fixture
def endpoint() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Hub) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def nobody_listens() -> Iterator[str]:
    with socket.socket() as taken:  # bound and not listening: a connection is refused
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


def test_a_snapshot_is_fetched_and_then_served_without_the_hub(
    tmp_path: Path, endpoint: str, nobody_listens: str
) -> None:
    folder = HuggingFaceHub(tmp_path, endpoint).snapshot("org/name", "main")
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == FILES
    assert HuggingFaceHub(tmp_path, nobody_listens).snapshot("org/name", "main") == folder


def test_a_repository_that_is_not_there_is_not_worth_a_retry(tmp_path: Path, endpoint: str) -> None:
    with pytest.raises(
        HubUnavailable, match=r"org/none could not be fetched.*Repository Not Found"
    ) as caught:
        HuggingFaceHub(tmp_path, endpoint).snapshot("org/none", None)
    assert not caught.value.retryable


def test_a_hub_out_of_reach_is_worth_a_retry(tmp_path: Path, nobody_listens: str) -> None:
    with pytest.raises(HubUnavailable, match="org/name could not be fetched") as caught:
        HuggingFaceHub(tmp_path, nobody_listens).snapshot("org/name", None)
    assert caught.value.retryable
    assert "path" in caught.value.mend
