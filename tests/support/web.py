"""REST beside a platform, and keys to ask it with."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from contracts.channels import ROUTER_KEYS
from contracts.messages import CreateKey, KeysReply, KeysRequest, MemberRole, Principal
from gateway_service.rest.app import SERVICE, build
from gateway_service.rest.settings import RestSettings
from runtime.bus import Bus
from runtime.process import Context
from tests.support.context import service_context

_OPERATOR = Principal(subject="test", admin=True)


@dataclass(frozen=True, slots=True)
class Web:
    """A REST process: how to ask it, and what it counted."""

    client: httpx.AsyncClient
    context: Context


@asynccontextmanager
async def rest_beside(nats_url: str, folder: Path, **settings: Any) -> AsyncIterator[Web]:
    """A REST process on this bus, with the home of the platform that `folder` holds."""
    own = RestSettings(nats_url=nats_url, home=folder / "home", rest_port=0, **settings)
    failures: list[BaseException] = []
    async with service_context(own, SERVICE.name, on_task_failure=failures.append) as context:
        app = build(own, context)
        await app.start()
        try:
            async with httpx.AsyncClient(base_url=app.url, timeout=20) as client:
                yield Web(client, context)
        finally:
            await app.stop()
    assert not failures


async def key_of(bus: Bus, tenant: str | None, role: MemberRole = MemberRole.OWNER) -> dict[str, str]:
    """The headers of one who holds a new key of this tenant, or an admin's key."""
    operation = CreateKey(label="test", role=role if tenant else None)
    asked = KeysRequest(principal=_OPERATOR, tenant=tenant, operation=operation)
    reply = await bus.request(ROUTER_KEYS, asked, KeysReply, timeout_s=20)
    assert reply.secret, reply.error
    return {"X-API-Key": reply.secret}
