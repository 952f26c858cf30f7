"""What happens to every request before and after its route: its id, its size, its headers, its log line."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from contracts.errors import TrunklineError
from gateway_service.rest.errors import BodyTooLarge
from gateway_service.rest.problems import problem_of

log = logging.getLogger(__name__)

_SECURITY: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "Strict-Transport-Security": "max-age=31536000",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


class Edge:
    """ASGI middleware. `request.state.headers` is what a route wants added to whatever is answered."""

    def __init__(
        self, app: ASGIApp, *, max_body_bytes: int, new_id: Callable[[], str], now_s: Callable[[], float]
    ) -> None:
        self._app = app
        self._max_body_bytes = max_body_bytes
        self._new_id = new_id
        self._now_s = now_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began_s, request_id = self._now_s(), self._new_id()
        extra: dict[str, str] = {"X-Request-Id": request_id}
        scope["state"] = {**scope.get("state", {}), "request_id": request_id, "headers": extra}
        answer = _Answer(send, extra)
        try:
            if _declared(scope) > self._max_body_bytes:
                await self._refuse(BodyTooLarge(self._max_body_bytes), scope, receive, answer)
            else:
                await self._app(scope, self._counted(scope, receive, answer), answer)
        except Exception:
            log.exception("request %s failed", request_id)
            fault = TrunklineError(f"request {request_id} failed", mend="ask the operator to look at the log")
            await self._refuse(fault, scope, receive, answer)
        route = getattr(scope.get("route"), "path", "?")  # never the path itself: it may name a person
        took_ms = (self._now_s() - began_s) * 1000
        log.info("%s %s %s %d %.1f ms", request_id, scope["method"], route, answer.status, took_ms)

    def _counted(self, scope: Scope, receive: Receive, answer: _Answer) -> Receive:
        """A body that says no length is refused when it has grown too large."""
        seen = 0

        async def counted() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen <= self._max_body_bytes:
                return message
            await self._refuse(BodyTooLarge(self._max_body_bytes), scope, receive, answer)
            return {"type": "http.disconnect"}

        return counted

    async def _refuse(self, error: TrunklineError, scope: Scope, receive: Receive, answer: _Answer) -> None:
        if not answer.status:  # nothing can be taken back
            await problem_of(error, scope["state"]["request_id"])(scope, receive, answer)
        answer.complete = True


class _Answer:
    """The sending side of one request: adds headers, and lets nothing follow a refusal."""

    def __init__(self, send: Send, extra: dict[str, str]) -> None:
        self._send = send
        self._extra = extra
        self.status = 0
        self.complete = False

    async def __call__(self, message: Message) -> None:
        if self.complete:
            return
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            for name, value in (*_SECURITY.items(), *self._extra.items()):
                headers.setdefault(name, value)
        self.complete = message["type"] == "http.response.body" and not message.get("more_body", False)
        await self._send(message)


def _declared(scope: Scope) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length" and value.isdigit():
            return int(value)
    return 0
