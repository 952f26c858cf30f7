"""A running REST on a real bus with the real services behind it, and people who use it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

import analytics_service.app
import session_service.app
from analytics_service.settings import Settings as AnalyticsSettings
from contracts import messages as m
from gateway_service.rest.app import SERVICE, RestApp
from gateway_service.rest.settings import RestSettings
from runtime.clock import Clock
from runtime.process import Service
from runtime.settings import ProcessSettings
from session_service.settings import Settings as SessionSettings
from tests.support.context import service_context
from tests.support.office import ADMIN
from tests.support.routing import Client, client, router, router_settings
from trunkline.nats_server import NatsServer

PASSWORD = "a long password"


@dataclass
class Api:
    """Asks REST with one key or token."""

    http: httpx.AsyncClient
    headers: dict[str, str] = field(default_factory=dict)

    async def __call__(self, method: str, path: str, body: Any = None, **options: Any) -> httpx.Response:
        if body is not None:
            options["json"] = body
        headers = {**self.headers, **options.pop("headers", {})}
        return await self.http.request(method, f"/v1{path}", headers=headers, **options)

    async def done(self, method: str, path: str, body: Any = None, **options: Any) -> Any:
        """The answer's value, which must not be a problem."""
        response = await self(method, path, body, **options)
        assert response.is_success, (method, path, response.status_code, response.text)
        return response.json() if response.content else None

    def with_key(self, key: str) -> Api:
        return Api(self.http, {"X-API-Key": key})

    def with_token(self, token: str) -> Api:
        return Api(self.http, {"Authorization": f"Bearer {token}"})


@dataclass
class Resting:
    """REST, who may do everything there, and the bus beneath."""

    app: RestApp
    nobody: Api
    admin: Api
    bus: Client

    async def owner(self, tenant: str, role: m.MemberRole = m.MemberRole.OWNER) -> Api:
        """Somebody with a key of the tenant."""
        body = {"label": f"{tenant} {role}", "role": role}
        made = await self.admin.done("POST", "/keys", body, params={"tenant": tenant})
        return self.nobody.with_key(made["secret"])

    async def tenant(self, slug: str) -> Api:
        """A new tenant with an assistant `desk`; its owner."""
        await self.bus.tenant(slug)
        return await self.owner(slug)


def rest_settings(nats_url: str, folder: Path, **changes: Any) -> RestSettings:
    chosen = {"rest_port": 0, "rest_requests_per_minute": 1_000_000, "rest_answer_timeout_s": 20.0, **changes}
    return RestSettings(nats_url=nats_url, home=folder / "home", **chosen)


@asynccontextmanager
async def rest(settings: RestSettings, clock: Clock | None = None) -> AsyncIterator[RestApp]:
    """The service, started; a task of it that fails, fails the test."""
    failures: list[BaseException] = []
    async with service_context(settings, "rest", clock=clock, on_task_failure=failures.append) as context:
        app = SERVICE.build(settings, context)
        assert isinstance(app, RestApp)
        try:
            await app.start()
            yield app
        finally:
            await app.stop()
    assert not failures, failures


@asynccontextmanager
async def resting(nats_url: str, folder: Path, **changes: Any) -> AsyncIterator[Resting]:
    """REST and router; the first admin's key was made as the command line makes it."""
    routing = {name: changes.pop(name) for name in list(changes) if name.startswith("router_")}
    clock = changes.pop("clock", None)
    async with (
        router(router_settings(nats_url, folder, **routing)),
        client(nats_url) as bus,
        rest(rest_settings(nats_url, folder, **changes), clock) as app,
        httpx.AsyncClient(base_url=app.url, timeout=30) as http,
    ):
        secret = (await bus.done(ADMIN, m.CreateKey(label="operations"))).secret
        nobody = Api(http)
        yield Resting(app, nobody, nobody.with_key(secret), bus)


@asynccontextmanager
async def service(kind: Service[Any], settings: ProcessSettings) -> AsyncIterator[None]:
    """Any other service, started."""
    async with service_context(settings, kind.name) as context:
        app = kind.build(settings, context)
        try:
            await app.start()
            await context.rpc.start()
            yield
        finally:
            await context.rpc.stop()
            await app.stop()


@asynccontextmanager
async def everything(nats_url: str, folder: Path, **changes: Any) -> AsyncIterator[Resting]:
    """REST with all that it asks: router, session and analytics."""
    async with AsyncExitStack() as stack:
        session = SessionSettings(nats_url=nats_url, heartbeat_s=0.1)
        analytics = AnalyticsSettings(nats_url=nats_url, home=folder / "home", analytics_batch_s=0.1)
        there = await stack.enter_async_context(resting(nats_url, folder, **changes))
        await stack.enter_async_context(service(session_service.app.SERVICE, session))
        await stack.enter_async_context(service(analytics_service.app.SERVICE, analytics))
        yield there


@contextmanager
def everything_in_a_thread(folder: Path) -> Iterator[tuple[Resting, asyncio.AbstractEventLoop]]:
    """The same on a loop of its own, for those who ask without one."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="platform")
    thread.start()
    stack = AsyncExitStack()

    def run(work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, loop).result(60)

    try:
        with NatsServer(folder / "nats") as server:
            try:
                yield run(stack.enter_async_context(everything(server.url, folder))), loop
            finally:
                run(stack.aclose())
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
