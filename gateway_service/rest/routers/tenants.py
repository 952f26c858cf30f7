"""`/v1/tenants`: the businesses. A member sees its own; the platform's admin makes and closes them."""

from __future__ import annotations

from fastapi import APIRouter, Request

from contracts import messages as m
from contracts.channels import ROUTER_TENANTS
from contracts.identities import TenantSlug
from contracts.messages.access import Name
from contracts.messages.base import PlanSlug
from gateway_service.rest.dependencies import IdempotencyKey, Page, Who
from gateway_service.rest.json_route import JsonRoute
from gateway_service.rest.shapes import Body, Changes, Items, link_to

router = APIRouter(prefix="/v1/tenants", tags=["tenants"], route_class=JsonRoute)


class NewTenant(Body):
    """A business. A slug is given once, even after its tenant is closed."""

    slug: TenantSlug
    name: Name
    plan: PlanSlug | None = None


class TenantChanges(Changes):
    """What is to change about a tenant."""

    name: Name | None = None
    recording_allowed: bool | None = None


@router.get("")
async def list_tenants(who: Who, page: Page, request: Request) -> Items[m.TenantView]:
    """The tenants by slug; a member sees its own."""
    reply = await who.router(ROUTER_TENANTS, m.TenantsReply, m.ListTenants(**page.given()))
    link_to(request, reply.next)
    return Items(items=reply.items, next=reply.next)


@router.post("", status_code=201)
async def create_tenant(body: NewTenant, who: Who, idempotency_key: IdempotencyKey = None) -> m.TenantView:
    """A new business."""
    operation = m.CreateTenant(**body.given())
    return (await who.router(ROUTER_TENANTS, m.TenantsReply, operation, idempotency_key)).items[0]


@router.get("/{slug}")
async def get_tenant(slug: TenantSlug, who: Who) -> m.TenantView:
    """One tenant."""
    return (await who.about(slug).router(ROUTER_TENANTS, m.TenantsReply, m.GetTenant())).items[0]


@router.patch("/{slug}")
async def update_tenant(slug: TenantSlug, body: TenantChanges, who: Who) -> m.TenantView:
    """Change what is given."""
    operation = m.UpdateTenant(**body.given())
    return (await who.about(slug).router(ROUTER_TENANTS, m.TenantsReply, operation)).items[0]


@router.delete("/{slug}", status_code=204)
async def close_tenant(slug: TenantSlug, who: Who) -> None:
    """Remove all it has but the audit log; its numbers must be somebody else's or nobody's before."""
    await who.about(slug).router(ROUTER_TENANTS, m.TenantsReply, m.CloseTenant())
