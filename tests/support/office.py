"""Asks router's core what the gateway would ask over the bus, on a real database."""

from __future__ import annotations

import base64
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

from sqlalchemy.ext.asyncio import AsyncEngine

from contracts import messages as m
from contracts.channel import Channel
from contracts.channels import CHANNELS
from router_service.authentication import Authentication
from router_service.credentials import Credentials
from router_service.desk import Desk, Ids
from router_service.importing import IMPORTER, provide_plan
from router_service.passwords import Passwords
from router_service.ports import Transaction
from router_service.replays import Replays
from router_service.sql.engine import open_engine
from router_service.sql.migrate import migrate
from router_service.sql.unit_of_work import SqlUnitOfWork
from router_service.vault import Vault
from router_service.work import Work
from runtime.keyring import Keyring
from tests.support.clock import ManualClock

ADMIN = m.Principal(subject="test", admin=True)
CONFIG: dict[str, Any] = {"name": "Front desk", "greeting": "Good morning.", "prompt": "Be brief."}
CHEAP_PASSWORDS = {"memory_kib": 8, "rounds": 1}
KEYRING = f"one:{base64.b64encode(bytes(32)).decode()}"


def operations_of(row: Channel[Any]) -> tuple[type[m.Message], ...]:
    """The operations that a channel of router carries."""
    annotation = row.message.model_fields["operation"].annotation
    return get_args(annotation) or (annotation,)


ASKED = {
    operation: row
    for row in CHANNELS
    if row.name.startswith("router.") and "operation" in row.message.model_fields
    for operation in operations_of(row)
}
"""The channel of each operation."""


def member(tenant: str, role: m.MemberRole = m.MemberRole.OWNER) -> m.Principal:
    return m.Principal(subject=f"user:{tenant}-{role}", tenant=tenant, role=role)


@dataclass
class Office:
    """Router's core without the bus, on time that a test owns."""

    engine: AsyncEngine
    clock: ManualClock = field(default_factory=ManualClock)
    keyring: str = KEYRING
    rng: random.Random = field(default_factory=lambda: random.Random(11))

    def __post_init__(self) -> None:
        self.database = SqlUnitOfWork(self.engine, self.rng)
        self.passwords = Passwords(**CHEAP_PASSWORDS)
        self.vault = Vault(Keyring.parse(self.keyring))
        self.credentials = Credentials(self.vault)
        self.ids = Ids(self.clock.now_us, self.rng)
        self.desk = Desk(
            self.database,
            credentials=self.credentials,
            passwords=self.passwords,
            replays=Replays(self.vault),
            now_us=self.clock.now_us,
            ids=self.ids,
        )
        self.authentication = Authentication(self.database, self.passwords, self.clock.now_us)

    def work(self, tx: Transaction, who: m.Principal = ADMIN, tenant: str | None = None) -> Work:
        return self.desk.work(tx, who, tenant)

    async def ask(
        self,
        who: m.Principal,
        operation: m.Message,
        tenant: str | None = None,
        key: str | None = None,
    ) -> Any:
        """Ask; an error is raised."""
        row = ASKED[type(operation)]
        asked = row.message(principal=who, tenant=tenant, idempotency_key=key, operation=operation)
        assert row.reply is not None
        return await self.desk.answer(asked, row.reply)

    async def tenant(self, slug: str, **config: Any) -> m.Principal:
        """A new tenant with an assistant `desk`; returns its owner."""
        await self.ask(ADMIN, m.CreateTenant(slug=slug, name=slug.title()))
        await self.ask(ADMIN, m.CreateAssistant(id="desk", config={**CONFIG, **config}), slug)
        return member(slug)

    async def number(self, number: str, tenant: str | None, assistant: str | None = "desk") -> m.NumberView:
        operation = m.CreateNumber(number=number, assistant=assistant if tenant else None)
        made: m.NumberView = (await self.ask(ADMIN, operation, tenant)).items[0]
        return made


@asynccontextmanager
async def office(database_url: str, **options: Any) -> AsyncIterator[Office]:
    """An office on an empty database."""
    engine = open_engine(database_url, Path())
    try:
        await migrate(engine)
        opened = Office(engine, **options)
        await opened.database.write(lambda tx: provide_plan(opened.work(tx, IMPORTER)))
        yield opened
    finally:
        await engine.dispose()
