"""`/v1/audit`: who changed what, and when."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request

from contracts import messages as m
from contracts.channels import ROUTER_AUDIT
from contracts.messages.access import Line
from gateway_service.rest.dependencies import Ask, Page
from gateway_service.rest.json_route import JsonRoute
from gateway_service.rest.shapes import Items, link_to

router = APIRouter(prefix="/v1/audit", tags=["audit"], route_class=JsonRoute)


@router.get("")
async def list_audit(
    ask: Ask,
    page: Page,
    request: Request,
    target: Annotated[Line | None, Query(description="narrows the log to one thing")] = None,
) -> Items[m.AuditEntry]:
    """The log, newest first."""
    reply = await ask.router(ROUTER_AUDIT, m.AuditReply, m.ListAudit(target=target, **page.given()))
    link_to(request, reply.next)
    return Items(items=reply.items, next=reply.next)
