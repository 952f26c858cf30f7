"""`/v1/users`: the members of a tenant and their roles."""

from __future__ import annotations

from fastapi import APIRouter, Request

from contracts import messages as m
from contracts.channels import ROUTER_USERS
from contracts.identities import RecordId
from contracts.messages.access import Email, Name, Password
from gateway_service.rest.dependencies import Ask, IdempotencyKey, Page
from gateway_service.rest.json_route import JsonRoute
from gateway_service.rest.shapes import Body, Changes, Items, Role, link_to

router = APIRouter(prefix="/v1/users", tags=["users"], route_class=JsonRoute)


class NewUser(Body):
    """A person who is let in."""

    email: Email
    name: Name
    role: Role
    password: Password


class UserChanges(Changes):
    """What is to change about a user."""

    name: Name | None = None
    role: Role | None = None
    active: bool | None = None


class NewPassword(Body):
    """A password for somebody else."""

    password: Password


@router.get("")
async def list_users(ask: Ask, page: Page, request: Request) -> Items[m.UserView]:
    """The users, by the time they were let in."""
    reply = await ask.router(ROUTER_USERS, m.UsersReply, m.ListUsers(**page.given()))
    link_to(request, reply.next)
    return Items(items=reply.items, next=reply.next)


@router.post("", status_code=201)
async def add_user(body: NewUser, ask: Ask, idempotency_key: IdempotencyKey = None) -> m.UserView:
    """Let a person in."""
    operation = m.AddUser(**body.given())
    return (await ask.router(ROUTER_USERS, m.UsersReply, operation, idempotency_key)).items[0]


@router.get("/{id}")
async def get_user(id: RecordId, ask: Ask) -> m.UserView:  # noqa: A002  # what it is called in the path
    """One user."""
    return (await ask.router(ROUTER_USERS, m.UsersReply, m.GetUser(id=id))).items[0]


@router.patch("/{id}")
async def update_user(id: RecordId, body: UserChanges, ask: Ask) -> m.UserView:  # noqa: A002
    """Change what is given."""
    operation = m.UpdateUser(id=id, **body.given())
    return (await ask.router(ROUTER_USERS, m.UsersReply, operation)).items[0]


@router.delete("/{id}", status_code=204)
async def remove_user(id: RecordId, ask: Ask) -> None:  # noqa: A002
    """End a membership. Tokens and sessions of the user end with it."""
    await ask.router(ROUTER_USERS, m.UsersReply, m.RemoveUser(id=id))


@router.put("/{id}/password", status_code=204)
async def set_password(id: RecordId, body: NewPassword, ask: Ask) -> None:  # noqa: A002
    """Set somebody's password, as an owner; one's own goes through /v1/me/password."""
    operation = m.ChangePassword(id=id, password=body.password)
    await ask.router(ROUTER_USERS, m.UsersReply, operation)
