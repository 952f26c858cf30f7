"""`/v1/usage`: how many calls there are now, and how many there may be."""

from __future__ import annotations

from fastapi import APIRouter

from contracts import messages as m
from contracts.channels import SESSION_COUNTS
from gateway_service.rest.dependencies import Ask
from gateway_service.rest.json_route import JsonRoute

router = APIRouter(prefix="/v1/usage", tags=["calls"], route_class=JsonRoute)


@router.get("")
async def get_usage(ask: Ask) -> m.CallCounts:
    """Live calls and their limits by tenant and number; for an admin who names no tenant, of all."""
    asked = m.CountCalls(tenant=ask.whose)
    return (await ask.services.ask(SESSION_COUNTS, m.CountedCalls, asked)).counts
