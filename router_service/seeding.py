"""Fills an empty database from a directory file, once: a platform just started has something to show."""

from __future__ import annotations

import logging

from contracts import messages as m
from router_service import assistants, numbers, subscriptions, tenants
from router_service.directory import Directory, TenantEntry
from router_service.errors import BadConfiguration
from router_service.records import Plan, Tenant
from router_service.work import Work

log = logging.getLogger(__name__)

SEEDER = m.Principal(subject="seed", admin=True)


async def seed_plans(work: Work) -> None:
    """The default plan, where there is none yet."""
    if not await work.rows(Plan).find(slug=subscriptions.DEFAULT_PLAN):
        plan = Plan(work.new_id(), subscriptions.DEFAULT_PLAN, "Standard", 10, 0)
        await work.rows(Plan).put(plan)


async def is_empty(work: Work) -> bool:
    """Whether no tenant was ever made."""
    return not await work.rows(Tenant).find(limit=1)


async def seed(work: Work, directory: Directory) -> int:
    """Import a directory as an admin would enter it; returns how many tenants, 0 where some exist already.

    Raises the error of the first entry that an admin could not have entered; nothing is imported then.
    """
    if not await is_empty(work):
        return 0
    for slug, entry in directory.tenants.items():
        try:
            await _tenant(_for(work, slug), slug, entry)
        except BadConfiguration as error:
            raise BadConfiguration(f"tenant {slug}: {error.message}", mend=error.mend) from error
    return len(directory.tenants)


async def _tenant(work: Work, slug: str, entry: TenantEntry) -> None:
    await tenants.create(work, m.CreateTenant(slug=slug, name=entry.name))
    await subscriptions.put(
        work,
        m.PutSubscription(
            plan=subscriptions.DEFAULT_PLAN,
            active=entry.subscription_active,
            max_concurrent_calls=entry.max_concurrent_calls,
            inbound_reserve=entry.inbound_reserve,
        ),
    )
    for identity, config in entry.assistants.items():
        await assistants.create(work, m.CreateAssistant(id=identity, config=config))
    for number, line in entry.numbers.items():
        await numbers.create(
            work,
            m.CreateNumber(
                number=number,
                label=line.label,
                assistant=line.assistant,
                max_concurrent_calls=line.max_concurrent_calls,
            ),
        )
        if line.override or not line.active:
            configured = m.UpdateNumber(number=number, override=line.override, active=line.active)
            await numbers.update(work, configured)


def _for(work: Work, slug: str) -> Work:
    return Work(work.tx, SEEDER, slug, work.now_us, work.new_id)
