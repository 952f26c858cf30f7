"""Takes a directory file over into SQL: at the first start, and again whenever the file says something else.

The file speaks for what it names: its tenants, their limits, assistants and numbers. What people set up
beside it stays, and what they change in it stays until the file changes. A number that the file no longer
names is taken back if the file had brought it.
"""

from __future__ import annotations

import hashlib
import logging
from dataclasses import replace
from typing import Any, Final

from contracts import messages as m
from contracts.identities import PLATFORM_TENANT
from router_service import assistants, subscriptions
from router_service.directory import Directory, NumberEntry, TenantEntry
from router_service.errors import NumberMisconfigured
from router_service.records import Assistant, Audit, Number, Plan, Subscription, Tenant
from router_service.routing import owners_of
from router_service.work import Work

log = logging.getLogger(__name__)

IMPORTER: Final = m.Principal(subject="file", admin=True)
_IMPORTED: Final = "directory.imported"


async def provide_plan(work: Work) -> None:
    """The default plan, where there is none yet."""
    if not await work.rows(Plan).find(slug=subscriptions.DEFAULT_PLAN):
        plan = Plan(work.new_id(), subscriptions.DEFAULT_PLAN, "Standard", 10, 0)
        await work.rows(Plan).put(plan)


async def take_over(work: Work, directory: Directory) -> list[NumberMisconfigured]:
    """Import the directory, unless it is the one imported last; returns what in it cannot be.

    A configuration that does not hold is imported as it is: the publisher says so and keeps the last good.
    """
    fingerprint = hashlib.sha256(directory.model_dump_json().encode()).hexdigest()
    last = await work.rows(Audit).find(action=_IMPORTED, limit=1)
    if last and last[0].target == fingerprint:
        return []
    faults: list[NumberMisconfigured] = []
    owners = owners_of(directory)
    for slug, entry in directory.tenants.items():
        tenant = await _tenant(work, slug, entry)
        if tenant is None:
            faults += [_unplaced(number, slug) for number in entry.numbers]
            continue
        changed = await _assistants(work, tenant, entry)
        for number, line in entry.numbers.items():
            if owners[number] != [slug]:
                faults += [_claimed(number, owners[number])] if owners[number][0] == slug else []
            else:
                changed |= await _number(work, tenant, number, line, faults)
        if changed:
            await _touch(work, tenant.id)
    await _take_back(work, set(owners))
    await work.log(None, _IMPORTED, fingerprint, tenants=sorted(directory.tenants))
    log.info("took over %d tenants from the file", len(directory.tenants))
    return faults


async def _tenant(work: Work, slug: str, entry: TenantEntry) -> Tenant | None:
    """The tenant as the file has it; None for a slug that cannot be given (again)."""
    found = await work.rows(Tenant).find(slug=slug)
    if slug == PLATFORM_TENANT or (found and found[0].closed_us is not None):
        return None
    (plan,) = await work.rows(Plan).find(slug=subscriptions.DEFAULT_PLAN)
    old = found[0] if found else Tenant(work.new_id(), slug, entry.name, 1, work.now_us)
    tenant = replace(old, name=entry.name, recording_allowed=entry.recording_allowed)
    subscribed = await work.rows(Subscription).find(tenant_id=tenant.id)
    wanted = Subscription(
        tenant_id=tenant.id,
        plan_id=subscribed[0].plan_id if subscribed else plan.id,
        active=entry.subscription_active,
        max_concurrent_calls=entry.max_concurrent_calls,
        inbound_reserve=entry.inbound_reserve,
        share=entry.share,
        price=subscriptions.price_kept(entry.price),
    )
    if found != [tenant] or subscribed != [wanted]:
        tenant = replace(tenant, revision=tenant.revision + 1)
        await work.rows(Tenant).put(tenant)
        await work.rows(Subscription).put(wanted)
        await work.log(tenant, "tenant.imported", slug)
    return tenant


async def _assistants(work: Work, tenant: Tenant, entry: TenantEntry) -> bool:
    """Whether one of them changed."""
    changed = False
    for slug, config in entry.assistants.items():
        found = await work.rows(Assistant).find(tenant_id=tenant.id, slug=slug)
        if not found or found[0].config != config:
            await assistants.keep(work, tenant, found[0] if found else slug, config, "assistant.imported")
            changed = True
    return changed


async def _number(
    work: Work, tenant: Tenant, written: str, entry: NumberEntry, faults: list[NumberMisconfigured]
) -> bool:
    """Whether it changed; where its assistant is not there it stays as it was, and that is a fault."""
    answering = await work.rows(Assistant).find(tenant_id=tenant.id, slug=entry.assistant)
    if not answering:
        there = [one.slug for one in await work.rows(Assistant).find(tenant_id=tenant.id)]
        faults.append(
            NumberMisconfigured(
                written,
                f"tenant {tenant.slug} has no assistant {entry.assistant!r}",
                mend=f"use one of: {', '.join(there) or 'none is there yet'}",
                tenant=tenant.slug,
            )
        )
        return False
    wanted: dict[str, Any] = {
        "tenant_id": tenant.id,
        "assistant_id": answering[0].id,
        "label": entry.label,
        "override": entry.override,
        "max_concurrent_calls": entry.max_concurrent_calls,
        "active": entry.active,
    }
    found = await work.rows(Number).find(number=written)
    if found and all(getattr(found[0], name) == value for name, value in wanted.items()):
        return False
    identity, created_us = (found[0].id, found[0].created_us) if found else (work.new_id(), work.now_us)
    if found and found[0].tenant_id not in (None, tenant.id):
        await _touch(work, found[0].tenant_id)
    await work.rows(Number).put(
        Number(
            id=identity,
            number=written,
            created_us=created_us,
            assigned_by=IMPORTER.subject,
            assigned_at_us=work.now_us,
            **wanted,
        )
    )
    await work.log(tenant, "number.imported", written, assistant=entry.assistant)
    return True


async def _take_back(work: Work, named: set[str]) -> None:
    for number in await work.rows(Number).find(assigned_by=IMPORTER.subject):
        if number.number in named:
            continue
        await work.rows(Number).remove(id=number.id)
        tenant = await _touch(work, number.tenant_id)
        await work.log(tenant, "number.deleted", number.number)


async def _touch(work: Work, tenant_id: str | None) -> Tenant | None:
    """As the row is now: it may have been written since."""
    for tenant in await work.rows(Tenant).find(id=tenant_id):
        await work.touch(tenant)
        return tenant
    return None


def _claimed(number: str, owners: list[str]) -> NumberMisconfigured:
    return NumberMisconfigured(
        number, f"belongs to {' and to '.join(owners)}", mend="leave it to one of them", tenant=owners[0]
    )


def _unplaced(number: str, slug: str) -> NumberMisconfigured:
    what = "stands for what belongs to no tenant" if slug == PLATFORM_TENANT else "was closed for good"
    return NumberMisconfigured(number, f"{slug!r} {what}", mend="rename the tenant", tenant=slug)
