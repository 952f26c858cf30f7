"""`/v1/numbers`: called numbers. The admin creates and assigns; a tenant configures its own."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, Request
from pydantic import Field

from contracts import messages as m
from contracts.channels import ROUTER_NUMBERS, ROUTER_PREVIEW
from contracts.identities import TenantSlug
from contracts.messages.access import Line
from contracts.messages.base import Calls
from contracts.messages.tenancy import AssistantRef, DialledNumber
from gateway_service.rest.dependencies import Ask, IdempotencyKey, Page, Who
from gateway_service.rest.json_route import JsonRoute
from gateway_service.rest.shapes import Body, Changes, Items, Patch, link_to

router = APIRouter(prefix="/v1/numbers", tags=["numbers"], route_class=JsonRoute)


class NewNumber(Body):
    """A number that the platform now has."""

    number: DialledNumber
    label: Line = ""
    assistant: AssistantRef | None = None
    max_concurrent_calls: Calls = 1


class NumberChanges(Changes):
    """What is to change. `override` replaces the one there was; the limit is the operator's to change."""

    label: Line | None = None
    assistant: AssistantRef | None = None
    override: Patch | None = None
    active: bool | None = None
    max_concurrent_calls: Calls | None = None


class Assignment(Body):
    """Whose the number is to be, and who of his answers it."""

    tenant: TenantSlug
    assistant: AssistantRef | None = None


class NumberPreview(Body):
    """What to try: another assistant, changes of it, another override."""

    assistant: AssistantRef | None = None
    changes: Patch = Field(default_factory=dict)
    override: Patch | None = None


_AS_IT_IS: Final = NumberPreview()


@router.get("")
async def list_numbers(ask: Ask, page: Page, request: Request) -> Items[m.NumberView]:
    """The numbers in their order: the tenant's, or for an admin all."""
    reply = await ask.router(ROUTER_NUMBERS, m.NumbersReply, m.ListNumbers(**page.given()))
    link_to(request, reply.next)
    return Items(items=reply.items, next=reply.next)


@router.post("", status_code=201)
async def create_number(body: NewNumber, ask: Ask, idempotency_key: IdempotencyKey = None) -> m.NumberView:
    """A number that the platform now has; for the tenant that the query names, or nobody's yet."""
    operation = m.CreateNumber(**body.given())
    return (await ask.router(ROUTER_NUMBERS, m.NumbersReply, operation, idempotency_key)).items[0]


@router.get("/{number}")
async def get_number(number: DialledNumber, ask: Ask) -> m.NumberView:
    """One number."""
    return (await ask.router(ROUTER_NUMBERS, m.NumbersReply, m.GetNumber(number=number))).items[0]


@router.patch("/{number}")
async def update_number(number: DialledNumber, body: NumberChanges, ask: Ask) -> m.NumberView:
    """Change what is given; the next call to it is answered accordingly."""
    operation = m.UpdateNumber(number=number, **body.given())
    return (await ask.router(ROUTER_NUMBERS, m.NumbersReply, operation)).items[0]


@router.delete("/{number}", status_code=204)
async def delete_number(number: DialledNumber, ask: Ask) -> None:
    """The platform no longer has this number."""
    await ask.router(ROUTER_NUMBERS, m.NumbersReply, m.DeleteNumber(number=number))


@router.put("/{number}/assignment")
async def assign_number(number: DialledNumber, body: Assignment, who: Who) -> m.NumberView:
    """Give the number to a tenant. What the former one had set (label, assistant, override) is gone."""
    operation = m.AssignNumber(number=number, assistant=body.assistant)
    return (await who.about(body.tenant).router(ROUTER_NUMBERS, m.NumbersReply, operation)).items[0]


@router.delete("/{number}/assignment")
async def unassign_number(number: DialledNumber, who: Who) -> m.NumberView:
    """Take the number from its tenant; it is nobody's then."""
    return (await who.router(ROUTER_NUMBERS, m.NumbersReply, m.AssignNumber(number=number))).items[0]


@router.post("/{number}/preview")
async def preview_number(
    number: DialledNumber,
    ask: Ask,
    body: NumberPreview = _AS_IT_IS,
    idempotency_key: IdempotencyKey = None,
) -> m.NumberSnapshot:
    """What the next call to this number would be answered with, if this were saved: nothing is."""
    asked = m.PreviewRequest(
        principal=ask.principal,
        tenant=ask.tenant,
        idempotency_key=idempotency_key,
        number=number,
        **body.given(),
    )
    snapshot = (await ask.services.ask(ROUTER_PREVIEW, m.PreviewReply, asked)).snapshot
    assert snapshot is not None
    return snapshot
