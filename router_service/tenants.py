"""Businesses on the platform."""

from __future__ import annotations

from dataclasses import replace

from contracts import messages as m
from contracts.identities import PLATFORM_TENANT
from router_service.errors import BadValue, Conflict
from router_service.records import (
    ApiKey,
    Assistant,
    AssistantRevision,
    Credential,
    Number,
    Subscription,
    Tenant,
    User,
)
from router_service.subscriptions import plan_named, start
from router_service.work import Work, page


async def create(work: Work, op: m.CreateTenant) -> m.TenantsReply:
    """A new tenant on a plan; an admin's work."""
    if op.slug == PLATFORM_TENANT:
        raise BadValue(f"{op.slug!r} stands for the platform itself", mend="choose another slug")
    if await work.rows(Tenant).find(slug=op.slug):
        raise Conflict(f"the slug {op.slug!r} is or was taken", mend="choose another; slugs are given once")
    tenant = Tenant(id=work.new_id(), slug=op.slug, name=op.name, revision=1, created_us=work.now_us)
    await work.rows(Tenant).put(tenant)
    plan = await plan_named(work, op.plan)
    await start(work, tenant, plan)
    await work.log(tenant, "tenant.created", tenant.slug, name=tenant.name, plan=plan.slug)
    return m.TenantsReply(items=(_view(tenant),))


async def get(work: Work, _: m.GetTenant) -> m.TenantsReply:
    """The tenant that the request names."""
    return m.TenantsReply(items=(_view(await work.tenant()),))


async def list_all(work: Work, op: m.ListTenants) -> m.TenantsReply:
    """Every tenant for an admin, its own for a member."""
    if (own := await work.tenant_if_named()) is not None:
        return m.TenantsReply(items=(_view(own),))
    rows = await work.rows(Tenant).find(after=op.after, limit=op.limit + 1, closed_us=None)
    items, cursor = page(rows, op.limit, lambda tenant: tenant.slug)
    return m.TenantsReply(items=tuple(map(_view, items)), next=cursor)


async def update(work: Work, op: m.UpdateTenant) -> m.TenantsReply:
    """Change what is given."""
    given = op.model_dump(exclude={"op"}, exclude_none=True)
    tenant = replace(await work.tenant(), **given)
    await work.touch(tenant)
    await work.log(tenant, "tenant.changed", tenant.slug, **given)
    return m.TenantsReply(items=(_view(tenant),))


async def close(work: Work, _: m.CloseTenant) -> m.TenantsReply:
    """Remove what it has; raises Conflict while it has numbers."""
    tenant = await work.tenant()
    held = await work.rows(Number).find(tenant_id=tenant.id, limit=1)
    if held:
        raise Conflict(
            f"{tenant.slug} still has numbers such as {held[0].number}", mend="assign them elsewhere first"
        )
    for kind in (Assistant, AssistantRevision, Credential, ApiKey, Subscription, User):
        await work.rows(kind).remove(tenant_id=tenant.id)
    await work.rows(Tenant).put(replace(tenant, name="", revision=tenant.revision + 1, closed_us=work.now_us))
    await work.log(tenant, "tenant.closed", tenant.slug)
    return m.TenantsReply()


def _view(tenant: Tenant) -> m.TenantView:
    return m.TenantView(
        slug=tenant.slug,
        name=tenant.name,
        recording_allowed=tenant.recording_allowed,
        created_us=tenant.created_us,
    )
