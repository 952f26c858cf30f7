"""`/v1/credentials`: secrets of vendors. They go in and never come out."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Request
from pydantic import Field

from contracts import messages as m
from contracts.channels import ROUTER_CREDENTIALS
from contracts.identities import RecordId
from contracts.messages.access import Secret
from gateway_service.rest.dependencies import Ask, IdempotencyKey, Page
from gateway_service.rest.json_route import JsonRoute
from gateway_service.rest.shapes import Body, Items, link_to

router = APIRouter(prefix="/v1/credentials", tags=["credentials"], route_class=JsonRoute)


class NewCredential(Body):
    """A vendor's secret; it replaces the one of the same provider and label."""

    provider: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,62}$")]
    label: Annotated[str, Field(min_length=1, max_length=63, pattern=r"^[^\x00-\x1f\x7f]*$")] = "default"
    secret: Secret


@router.get("")
async def list_credentials(ask: Ask, page: Page, request: Request) -> Items[m.CredentialView]:
    """Which credentials are stored: the tenant's own, then the platform's."""
    operation = m.ListCredentials(**page.given())
    reply = await ask.router(ROUTER_CREDENTIALS, m.CredentialsReply, operation)
    link_to(request, reply.next)
    return Items(items=reply.items, next=reply.next)


@router.post("", status_code=201)
async def put_credential(
    body: NewCredential, ask: Ask, idempotency_key: IdempotencyKey = None
) -> m.CredentialView:
    """Store a credential; for an admin who names no tenant, the platform's own."""
    operation = m.PutCredential(**body.given())
    return (await ask.router(ROUTER_CREDENTIALS, m.CredentialsReply, operation, idempotency_key)).items[0]


@router.delete("/{id}", status_code=204)
async def delete_credential(id: RecordId, ask: Ask) -> None:  # noqa: A002  # what it is called in the path
    """Forget a credential."""
    await ask.router(ROUTER_CREDENTIALS, m.CredentialsReply, m.DeleteCredential(id=id))
