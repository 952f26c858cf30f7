"""The DirectorySource port over SQL: what the publisher reads is a copy that `load` brings up to date.

Loading asks for every tenant's revision and reads again only those that changed, so that a change costs the
same however many tenants there are.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Final

from pydantic import ValidationError
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from router_service.directory import Directory, NumberEntry, TenantEntry
from router_service.errors import DirectoryUnreadable
from router_service.records import Plan, Subscription
from router_service.sql.tables import ASSISTANTS, NUMBERS, PLANS, SUBSCRIPTIONS, TENANTS
from router_service.subscriptions import Terms, in_force

log = logging.getLogger(__name__)

_AT_ONCE: Final = 200
"""Tenants read with one statement."""


_Seen = tuple[int, Terms]


class SqlDirectory:
    """Tenants as they were when `load` last returned."""

    def __init__(self, engine: AsyncEngine, now_us: Callable[[], int]) -> None:
        self._engine = engine
        self._now_us = now_us
        self._loads = 0
        self._seen: dict[str, _Seen] = {}
        self._tenants: dict[str, TenantEntry] = {}

    def revision(self) -> object:
        """Grows with each load that found a change."""
        return self._loads

    def read(self) -> Directory:
        """Every tenant; one that did not change is the same object as before."""
        return Directory.model_construct(tenants=dict(self._tenants))

    async def load(self) -> None:
        """Read what changed; raises DirectoryUnreadable and then leaves everything as it was."""
        try:
            async with self._engine.connect() as connection:
                if connection.dialect.name == "postgresql":
                    await connection.execution_options(isolation_level="REPEATABLE READ")
                await self._load(connection)
        except (SQLAlchemyError, OSError) as error:
            cause = getattr(error, "orig", None) or error
            raise DirectoryUnreadable(f"SQL: {cause}", mend="calls go on with what is published") from error

    async def _load(self, connection: AsyncConnection) -> None:
        rows: list[Any] = list(await connection.execute(_TENANTS))
        terms = {row.slug: self._terms(row) for row in rows}
        changed = [row for row in rows if self._seen.get(row.slug) != terms[row.slug]]
        gone = self._seen.keys() - terms.keys()
        fresh: dict[str, TenantEntry] = {}
        for at in range(0, len(changed), _AT_ONCE):
            fresh |= await _read(connection, changed[at : at + _AT_ONCE], terms)
        self._seen = terms
        if not fresh and not gone:
            return
        known = {**self._tenants, **fresh}
        self._tenants = {slug: known[slug] for slug in terms if slug in known}
        self._loads += 1

    def _terms(self, row: Any) -> _Seen:
        """The revision and what the subscription amounts to now: it may have ended since, with no change."""
        plan = Plan("", "", "", row.plan_calls, row.plan_reserve, row.plan_price, row.plan_share)
        subscription = Subscription(
            row.id, "", row.active, row.ends_us, row.own_calls, row.own_reserve, row.own_price, row.own_share
        )
        return row.revision, in_force(subscription, plan, self._now_us())


_TENANTS: Final = (
    select(
        TENANTS.c.id,
        TENANTS.c.slug,
        TENANTS.c.name,
        TENANTS.c.revision,
        TENANTS.c.recording_allowed,
        SUBSCRIPTIONS.c.active,
        SUBSCRIPTIONS.c.ends_us,
        SUBSCRIPTIONS.c.max_concurrent_calls.label("own_calls"),
        SUBSCRIPTIONS.c.inbound_reserve.label("own_reserve"),
        SUBSCRIPTIONS.c.price.label("own_price"),
        SUBSCRIPTIONS.c.share.label("own_share"),
        PLANS.c.max_concurrent_calls.label("plan_calls"),
        PLANS.c.inbound_reserve.label("plan_reserve"),
        PLANS.c.price.label("plan_price"),
        PLANS.c.share.label("plan_share"),
    )
    .join(SUBSCRIPTIONS, SUBSCRIPTIONS.c.tenant_id == TENANTS.c.id)
    .join(PLANS, PLANS.c.id == SUBSCRIPTIONS.c.plan_id)
    .where(TENANTS.c.closed_us.is_(None))
    .order_by(TENANTS.c.slug)
)
_NUMBERS: Final = select(NUMBERS, ASSISTANTS.c.slug).join(
    ASSISTANTS, ASSISTANTS.c.id == NUMBERS.c.assistant_id
)


async def _read(
    connection: AsyncConnection, rows: list[Any], terms: dict[str, _Seen]
) -> dict[str, TenantEntry]:
    """The tenants with their assistants, and those of their numbers that an assistant answers."""
    wanted = [row.id for row in rows]
    assistants: dict[str, dict[str, Any]] = {tenant: {} for tenant in wanted}
    numbers: dict[str, dict[str, NumberEntry]] = {tenant: {} for tenant in wanted}
    for one in await connection.execute(select(ASSISTANTS).where(ASSISTANTS.c.tenant_id.in_(wanted))):
        assistants[one.tenant_id][one.slug] = one.config
    for one in await connection.execute(_NUMBERS.where(NUMBERS.c.tenant_id.in_(wanted))):
        numbers[one.tenant_id][one.number] = NumberEntry(
            assistant=one.slug,
            label=one.label,
            active=one.active,
            max_concurrent_calls=one.max_concurrent_calls,
            override=one.override,
        )
    found: dict[str, TenantEntry] = {}
    for row in rows:
        try:
            found[row.slug] = _entry(row, terms[row.slug][1], assistants[row.id], numbers[row.id])
        except ValidationError as error:
            log.error("tenant %s stays as it was, its rows do not hold: %s", row.slug, error)
    return found


def _entry(
    row: Any,
    terms: Terms,
    assistants: dict[str, Any],
    numbers: dict[str, NumberEntry],
) -> TenantEntry:
    return TenantEntry.model_validate(
        {
            "name": row.name,
            "subscription_active": terms.active,
            "max_concurrent_calls": terms.max_concurrent_calls,
            "inbound_reserve": terms.inbound_reserve,
            "share": terms.share,
            "price": terms.price and terms.price.model_dump(),
            "recording_allowed": row.recording_allowed,
            "assistants": assistants,
            "numbers": numbers,
        }
    )
