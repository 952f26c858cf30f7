"""Wires REST: the only place that does."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import Iterator

import uvicorn
from typing_extensions import override

from contracts.telemetry import WEBHOOKS
from gateway_service.media_tokens import token_keyring
from gateway_service.rest.asking import Services
from gateway_service.rest.buckets import Buckets
from gateway_service.rest.carrier_calls import CarrierCalls
from gateway_service.rest.dependencies import Rest
from gateway_service.rest.gate import Gate
from gateway_service.rest.media_passes import Passes
from gateway_service.rest.published_numbers import PublishedNumbers
from gateway_service.rest.repetitions import Repetitions
from gateway_service.rest.sessions import BusSessions
from gateway_service.rest.settings import RestSettings
from gateway_service.rest.tokens import Tokens
from gateway_service.rest.web import WebApp, web_app
from runtime.errors import PortInUse
from runtime.keyring import Keyring, keyring_file
from runtime.process import Context, Service

log = logging.getLogger(__name__)

_GRACE_S = 10


class _Server(uvicorn.Server):
    """A uvicorn that leaves signals to the process."""

    @override
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


class RestApp:
    """The REST service of one process."""

    def __init__(self, settings: RestSettings, context: Context, web: WebApp) -> None:
        self.web = web
        self._settings = settings
        self._context = context
        self._server = _Server(
            uvicorn.Config(
                web,
                lifespan="off",
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=bool(settings.rest_trusted_proxies),
                forwarded_allow_ips=list(settings.rest_trusted_proxies),
                limit_concurrency=settings.rest_max_connections,
                timeout_keep_alive=settings.rest_keep_alive_s,
                timeout_graceful_shutdown=_GRACE_S,
                ws="none",
            )
        )
        self._socket: socket.socket | None = None
        self._serving: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        """Where it listens, once started."""
        assert self._socket is not None
        host, port = self._socket.getsockname()[:2]
        return f"http://{host}:{port}"

    async def start(self) -> None:
        """Listen; raises PortInUse."""
        self._socket = _listen(self._settings)
        self._serving = self._context.tasks.spawn(self._server.serve(sockets=[self._socket]), "rest")
        while not self._server.started and not self._serving.done():
            await self._context.clock.sleep(0.01)
        self._context.health.require("rest", lambda: self._server.started and not self._server.should_exit)
        log.info("REST on %s/v1", self.url)

    async def drain(self) -> None:
        """Take no new connection; returns when the requests in hand are answered."""
        self._server.should_exit = True
        if self._serving is not None:
            await asyncio.wait({self._serving})

    async def stop(self) -> None:
        """Stop listening, whatever is in hand."""
        self._server.force_exit = True
        await self.drain()
        if self._socket is not None:
            self._socket.close()


def build(settings: RestSettings, context: Context) -> RestApp:
    """REST on this process's plumbing."""
    clock = context.clock
    services = Services(context.bus, settings.rest_answer_timeout_s)
    tokens = Tokens(_keyring(settings), settings.rest_token_s, clock.now_us)
    gate = Gate(settings, services, tokens, Buckets(clock.monotonic_s), clock.monotonic_s)
    passes = Passes(
        token_keyring(settings), settings.rest_media_url, settings.rest_media_token_s, clock, context.rng
    )
    sessions = BusSessions(context.bus, context.process, settings.rest_admit_timeout_s)
    rest = Rest(
        settings,
        services,
        gate,
        clock,
        context.rng,
        context.health,
        passes,
        CarrierCalls(sessions, passes),
        context.metrics.counter(WEBHOOKS),
        PublishedNumbers(context.bus),
        Repetitions(context.bus),
    )
    return RestApp(settings, context, web_app(settings, clock, context.rng, rest))


def _keyring(settings: RestSettings) -> Keyring:
    """From the environment, from a file, or from one made at the first start of this machine."""
    if text := settings.rest_keyring.get_secret_value():
        return Keyring.parse(text)
    return keyring_file(settings.rest_keyring_file or settings.home / "rest" / "keyring")


def _listen(settings: RestSettings) -> socket.socket:
    try:
        listening = socket.create_server((settings.rest_host, settings.rest_port), backlog=512)
        # Connections inherit it. Not every event loop sets it, and then an answer waits 40 ms for an ACK.
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return listening
    except OSError as error:
        raise PortInUse(
            f"cannot serve REST on {settings.rest_host}:{settings.rest_port}: {error.strerror}",
            mend="set TRUNKLINE_REST_HOST or TRUNKLINE_REST_PORT",
        ) from error


SERVICE = Service("rest", RestSettings, build)
