"""REST as a caller of ours knows it: one answer to whoever asks for a media token."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any


class Rest(BaseHTTPRequestHandler):
    """`asked` is what was asked for so far: path, key, body."""

    asked: list[tuple[str, str, dict[str, Any]]]
    answer: tuple[int, bytes]

    def do_POST(self) -> None:
        """Note it, and answer."""
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.asked.append((self.path, self.headers["X-API-Key"], body))
        self.send_response(self.answer[0])
        self.end_headers()
        self.wfile.write(self.answer[1])

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - as the base has it
        """Keep quiet."""


@contextmanager
def fake_rest(answer: bytes, status: int = 201) -> Iterator[tuple[str, type[Rest]]]:
    """A server on a free port: its address, and what it heard."""
    kind = type("Kind", (Rest,), {"asked": [], "answer": (status, answer)})
    server = HTTPServer(("127.0.0.1", 0), kind)
    serving = threading.Thread(target=server.serve_forever)
    serving.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/", kind
    finally:
        server.shutdown()
        serving.join()
        server.server_close()
