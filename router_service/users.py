"""People who sign in: members of a tenant, with a role there and a password for there.

Who belongs to several tenants is a user of each, apart from the others in all but the email: no tenant
learns of another through a person they share, and none can sign in to another with a password it set.
"""

from __future__ import annotations

from dataclasses import replace

from contracts import messages as m
from router_service.access import Level, level_of
from router_service.errors import BadValue, Conflict, NotFound, Unauthenticated
from router_service.records import Tenant, User
from router_service.work import Work, page


def subject_of(user: User) -> str:
    """How a user appears as a principal's subject."""
    return f"user:{user.id}"


async def add(work: Work, op: m.AddUser, hashed: str) -> m.UsersReply:
    """Let a person in; `hashed` is the password's hash."""
    tenant = await work.tenant()
    email = op.email.lower()
    if await work.rows(User).find(tenant_id=tenant.id, email=email):
        raise Conflict(f"{email} is a user of {tenant.slug}", mend="change that user instead")
    user = User(
        id=work.new_id(),
        tenant_id=tenant.id,
        email=email,
        name=op.name,
        role=op.role,
        password_hash=hashed,
        active=True,
        created_us=work.now_us,
    )
    await work.rows(User).put(user)
    await work.log(tenant, "user.added", user.id, role=op.role)
    return m.UsersReply(items=(_view(user),))


async def get(work: Work, op: m.GetUser) -> m.UsersReply:
    """One user."""
    return m.UsersReply(items=(_view(await _user(work, await work.tenant(), op.id)),))


async def list_all(work: Work, op: m.ListUsers) -> m.UsersReply:
    """The tenant's users."""
    tenant = await work.tenant()
    rows = await work.rows(User).find(tenant_id=tenant.id, after=op.after, limit=op.limit + 1)
    items, cursor = page(rows, op.limit, lambda user: user.id)
    return m.UsersReply(items=tuple(map(_view, items)), next=cursor)


async def update(work: Work, op: m.UpdateUser) -> m.UsersReply:
    """Change what is given; raises Conflict if the tenant would have no owner."""
    tenant = await work.tenant()
    user = await _user(work, tenant, op.id)
    changed = replace(user, **op.model_dump(exclude={"op", "id"}, exclude_none=True))
    if _leads(user) and not _leads(changed):
        await _check_another_owner(work, tenant, user)
    await work.rows(User).put(changed)
    await work.log(tenant, "user.changed", user.id, role=op.role, active=op.active)
    return m.UsersReply(items=(_view(changed),))


async def remove(work: Work, op: m.RemoveUser) -> m.UsersReply:
    """End a membership; raises Conflict if the tenant would have no owner."""
    tenant = await work.tenant()
    user = await _user(work, tenant, op.id)
    if _leads(user):
        await _check_another_owner(work, tenant, user)
    await work.rows(User).remove(id=user.id)
    await work.log(tenant, "user.removed", user.id)
    return m.UsersReply()


async def whose_password(work: Work, op: m.ChangePassword) -> User:
    """The user whose password is to change: oneself, or for an owner or admin anybody in the tenant.

    Raises NotFound for whom the principal may not, and BadValue where one's own old password is missing.
    """
    tenant = await work.tenant()
    identity = op.id if op.id is not None else work.who.subject.removeprefix("user:")
    user = await _user(work, tenant, identity)
    oneself = work.who.subject == subject_of(user)
    if not oneself and level_of(work.who) < Level.OWNER:
        raise NotFound("user", identity)
    if oneself and op.current is None:
        raise BadValue("the password there is was not given", mend="give it as current")
    return user


async def change_password(work: Work, op: m.ChangePassword, proven: str, hashed: str) -> m.UsersReply:
    """Set the new hash, unless the one that the old password was proven against is no longer there."""
    user = await whose_password(work, op)
    if user.password_hash != proven:
        raise Unauthenticated
    await work.rows(User).put(replace(user, password_hash=hashed))
    await work.log(await work.tenant(), "user.password_changed", user.id)
    return m.UsersReply(items=(_view(user),))


async def _user(work: Work, tenant: Tenant, identity: str) -> User:
    found = await work.rows(User).find(id=identity, tenant_id=tenant.id)
    if not found:
        raise NotFound("user", identity)
    return found[0]


def _leads(user: User) -> bool:
    return user.active and user.role is m.MemberRole.OWNER


async def _check_another_owner(work: Work, tenant: Tenant, leaving: User) -> None:
    owners = await work.rows(User).find(tenant_id=tenant.id, role=m.MemberRole.OWNER, active=True)
    if all(owner.id == leaving.id for owner in owners):
        raise Conflict(f"{tenant.slug} would have no owner", mend="make somebody else an owner first")


def _view(user: User) -> m.UserView:
    return m.UserView(
        id=user.id,
        email=user.email,
        name=user.name,
        role=user.role,
        active=user.active,
        created_us=user.created_us,
    )
