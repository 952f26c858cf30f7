"""`/v1/me`: who asks."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel

from contracts import messages as m
from contracts.channels import ROUTER_USERS
from contracts.messages.access import Password, Secret
from gateway_service.rest.dependencies import Who
from gateway_service.rest.json_route import JsonRoute
from gateway_service.rest.shapes import Body

router = APIRouter(prefix="/v1/me", tags=["me"], route_class=JsonRoute)


class Me(BaseModel):
    """Who asks: `subject` is `user:ID` or `key:ID`; a member of one tenant, or the platform's admin."""

    subject: str
    admin: bool
    tenant: str | None
    role: m.MemberRole | None


class OwnPassword(Body):
    """The old password and the new one."""

    current: Secret
    password: Password


@router.get("")
async def get_me(who: Who) -> Me:
    """Who asks, as it is known now."""
    own = who.principal
    return Me(subject=own.subject, admin=own.admin, tenant=own.tenant, role=own.role)


@router.put("/password", status_code=204)
async def set_own_password(body: OwnPassword, who: Who) -> None:
    """Set one's own password, proving the old one."""
    operation = m.ChangePassword(current=body.current, password=body.password)
    await who.router(ROUTER_USERS, m.UsersReply, operation)
