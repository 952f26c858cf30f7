"""`/healthz`, `/readyz` and `/metrics` of a process, on a thread of their own.

The thread makes liveness true: a blocked event loop cannot answer for itself, but its last beat tells.
"""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

from prometheus_client import make_wsgi_app
from prometheus_client.exposition import ThreadingWSGIServer
from typing_extensions import override

from runtime.errors import PortInUse

_BEAT_LIMIT_S = 5.0
_KNOCK_S = 0.1


class Health:
    """What the process says of itself: the loop's last beat, and named conditions that make it ready."""

    def __init__(self, monotonic_s: Callable[[], float]) -> None:
        self._monotonic_s = monotonic_s
        self._beat_s = monotonic_s()
        self._conditions: dict[str, Callable[[], bool]] = {}

    def beat(self) -> None:
        """The event loop is turning."""
        self._beat_s = self._monotonic_s()

    def require(self, name: str, holds: Callable[[], bool]) -> None:
        """The process is ready only while `holds()`."""
        self._conditions[name] = holds

    def alive(self) -> bool:
        """Whether the loop has turned in the last seconds."""
        return self._monotonic_s() - self._beat_s < _BEAT_LIMIT_S

    def missing(self) -> list[str]:
        """The conditions that do not hold now."""
        return [name for name, holds in tuple(self._conditions.items()) if not holds()]


class _Quiet(WSGIRequestHandler):
    @override
    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: probes come every second."""


class HealthServer:
    """Serves a `Health` over HTTP until closed; raises PortInUse where the port is taken."""

    def __init__(self, health: Health, host: str, port: int) -> None:
        self._health = health
        self._metrics = make_wsgi_app()
        try:
            self._server = make_server(host, port, self._answer, ThreadingWSGIServer, handler_class=_Quiet)
        except OSError as error:
            raise PortInUse(
                f"cannot serve health on {host}:{port}: {error.strerror}",
                mend="set TRUNKLINE_HEALTH_HOST or TRUNKLINE_HEALTH_PORT",
            ) from error
        self.port: int = self._server.server_port
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(None,), name="health", daemon=True
        )
        self._thread.start()

    def _answer(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path == "/metrics":
            body: Iterable[bytes] = self._metrics(environ, start_response)
            return body
        if path == "/healthz":
            return _json(start_response, self._health.alive(), {"alive": self._health.alive()})
        if path == "/readyz":
            missing = self._health.missing()
            return _json(start_response, not missing, {"ready": not missing, "missing": missing})
        start_response("404 Not Found", [("Content-Type", "text/plain")])
        return [b"paths: /healthz /readyz /metrics\n"]

    def close(self) -> None:
        """Stop serving. The thread looks up only when somebody knocks: nothing in it wakes by the clock."""
        stopping = threading.Thread(target=self._server.shutdown, name="health stops", daemon=True)
        stopping.start()
        while stopping.is_alive():
            with suppress(OSError):
                socket.create_connection(self._server.server_address[:2], _KNOCK_S).close()  # type: ignore[arg-type]  # the stub allows bytes
            stopping.join(_KNOCK_S)
        self._server.server_close()
        self._thread.join()


def _json(start_response: Callable[..., Any], ok: bool, body: dict[str, Any]) -> Iterable[bytes]:
    start_response("200 OK" if ok else "503 Service Unavailable", [("Content-Type", "application/json")])
    return [json.dumps(body).encode()]
