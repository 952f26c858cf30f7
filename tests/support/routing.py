"""A running router on a real bus and a real database, and somebody who asks it as the gateway would."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import yaml

from contracts import messages as m
from contracts.channels import ROUTER_AUTHENTICATE, ROUTER_PREVIEW, SESSION_OPEN
from contracts.identities import number_key, uuid7
from contracts.messages import NumberSnapshot
from contracts.streams import ASSISTANTS_BUCKET
from router_service.app import SERVICE, RouterApp
from router_service.settings import Settings
from runtime.bus import Bus
from runtime.settings import ProcessSettings
from runtime.storage import Bucket
from tests.support.context import service_context
from tests.support.office import ADMIN, ASKED, CHEAP_PASSWORDS, CONFIG, KEYRING, member

_RNG = Random(11)


async def ask_to_open(bus: Bus, called: str, call: str | None = None) -> m.OpenCallReply:
    """Session's reply to a call to the number, asked as the gateway does; names the call."""
    asked = m.OpenCall(
        call=call or uuid7(time.time_ns() // 1_000_000, _RNG),
        called=called,
        caller="+15550142",
        carrier_call_id="",
        gateway="gateway-1",
    )
    reply = await bus.request(SESSION_OPEN, asked, m.OpenCallReply, timeout_s=20)
    return reply.model_copy(update={"call": asked.call})


@dataclass
class Client:
    """Asks router over the bus, and reads what it publishes."""

    bus: Bus
    snapshots: Bucket[NumberSnapshot]

    async def ask(
        self, who: m.Principal, operation: m.Message, tenant: str | None = None, key: str | None = None
    ) -> Any:
        """The reply, whether or not it carries an error."""
        row = ASKED[type(operation)]
        asked = row.message(principal=who, tenant=tenant, idempotency_key=key, operation=operation)
        assert row.reply is not None
        return await self.bus.request(row, asked, row.reply, timeout_s=20)

    async def done(self, who: m.Principal, operation: m.Message, tenant: str | None = None) -> Any:
        """The reply, which must not be an error."""
        reply = await self.ask(who, operation, tenant)
        assert reply.error is None, reply.error
        return reply

    async def preview(self, asked: m.PreviewRequest) -> m.PreviewReply:
        return await self.bus.request(ROUTER_PREVIEW, asked, m.PreviewReply, timeout_s=20)

    async def authenticate(self, operation: Any) -> m.AuthenticateReply:
        asked = m.AuthenticateRequest(operation=operation)
        return await self.bus.request(ROUTER_AUTHENTICATE, asked, m.AuthenticateReply, timeout_s=20)

    async def published(self, number: str) -> NumberSnapshot | None:
        return await self.snapshots.get(number_key(number))

    async def tenant(self, slug: str, **config: Any) -> m.Principal:
        """A new tenant with an assistant `desk`; returns its owner."""
        await self.done(ADMIN, m.CreateTenant(slug=slug, name=slug.title()))
        await self.done(ADMIN, m.CreateAssistant(id="desk", config={**CONFIG, **config}), slug)
        return member(slug)


def empty_file(folder: Path) -> Path:
    path = folder / "nobody.yaml"
    path.write_text(yaml.safe_dump({"tenants": {}}), encoding="utf-8")
    return path


def router_settings(nats_url: str, folder: Path, **changes: Any) -> Settings:
    return Settings(
        **{
            "nats_url": nats_url,
            "home": folder / "home",
            "router_tenants_file": empty_file(folder),
            "router_keyring": KEYRING,
            "router_password_memory_kib": CHEAP_PASSWORDS["memory_kib"],
            "router_password_rounds": CHEAP_PASSWORDS["rounds"],
            **changes,
        }
    )


@asynccontextmanager
async def router(settings: Settings) -> AsyncIterator[RouterApp]:
    """The service, started; a task of it that fails, fails the test."""
    failures: list[BaseException] = []
    async with service_context(settings, "router", on_task_failure=failures.append) as context:
        app = SERVICE.build(settings, context)
        assert isinstance(app, RouterApp)
        try:
            await app.start()
            await context.rpc.start()
            yield app
        finally:
            await context.rpc.stop()
            await app.stop()
    assert not failures, failures


@asynccontextmanager
async def client(nats_url: str) -> AsyncIterator[Client]:
    async with service_context(ProcessSettings(nats_url=nats_url), "asker") as context:
        bucket = await Bucket.open(context.bus, ASSISTANTS_BUCKET, NumberSnapshot)
        yield Client(context.bus, bucket)
