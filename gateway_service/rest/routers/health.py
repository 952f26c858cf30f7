"""`/v1/health`: whether this process turns, and whether it can be of use."""

from __future__ import annotations

from typing import Any, Final

from fastapi import APIRouter, Response
from pydantic import BaseModel

from gateway_service.rest.dependencies import TheRest
from gateway_service.rest.json_route import JsonRoute

router = APIRouter(prefix="/v1/health", tags=["health"], route_class=JsonRoute)


class Live(BaseModel):
    """Whether the process turns."""

    live: bool


class Ready(BaseModel):
    """Whether requests can be answered, and what is missing."""

    ready: bool
    missing: tuple[str, ...]


_NOT_READY: Final[dict[int | str, dict[str, Any]]] = {
    503: {"model": Ready, "description": "not ready; `missing` says why"}
}


@router.get("/live")
async def live(rest: TheRest) -> Live:
    """Answers while the process turns."""
    return Live(live=rest.health.alive())


@router.get("/ready", responses=_NOT_READY)
async def ready(rest: TheRest, response: Response) -> Ready:
    """Whether the bus is there."""
    missing = tuple(rest.health.missing())
    if missing:
        response.status_code = 503
    return Ready(ready=not missing, missing=missing)
