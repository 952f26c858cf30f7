"""`/v1/keys`: API keys. A secret is shown once, when its key is made."""

from __future__ import annotations

from fastapi import APIRouter, Request

from contracts import messages as m
from contracts.channels import ROUTER_KEYS
from contracts.identities import RecordId
from contracts.messages.access import Name, RequestsPerMinute
from contracts.messages.base import Micros
from gateway_service.rest.dependencies import Ask, IdempotencyKey, Page
from gateway_service.rest.json_route import JsonRoute
from gateway_service.rest.shapes import Body, Items, Role, link_to

router = APIRouter(prefix="/v1/keys", tags=["keys"], route_class=JsonRoute)


class NewKey(Body):
    """A key of a tenant with a role there; without one, by an admin and for no tenant, an admin's key."""

    label: Name
    role: Role | None = None
    expires_us: Micros | None = None
    requests_per_minute: RequestsPerMinute | None = None


class MadeKey(m.KeyView):
    """A key with its secret, which is not said again."""

    secret: str


@router.get("")
async def list_keys(ask: Ask, page: Page, request: Request) -> Items[m.KeyView]:
    """The keys, by age; for an admin who names no tenant, the admins'."""
    reply = await ask.router(ROUTER_KEYS, m.KeysReply, m.ListKeys(**page.given()))
    link_to(request, reply.next)
    return Items(items=reply.items, next=reply.next)


@router.post("", status_code=201)
async def create_key(body: NewKey, ask: Ask, idempotency_key: IdempotencyKey = None) -> MadeKey:
    """A new key."""
    reply = await ask.router(ROUTER_KEYS, m.KeysReply, m.CreateKey(**body.given()), idempotency_key)
    assert reply.secret is not None
    return MadeKey(**dict(reply.items[0]), secret=reply.secret)


@router.delete("/{id}")
async def revoke_key(id: RecordId, ask: Ask) -> m.KeyView:  # noqa: A002  # what it is called in the path
    """End a key for good, within seconds everywhere; ending it again changes nothing."""
    return (await ask.router(ROUTER_KEYS, m.KeysReply, m.RevokeKey(id=id))).items[0]
