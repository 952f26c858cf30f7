"""Who is this? Email and password, an API key, or what was established earlier."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

from contracts import messages as m
from router_service.errors import BadValue, Unauthenticated
from router_service.keys import digest
from router_service.passwords import Passwords
from router_service.ports import Transaction, UnitOfWork
from router_service.records import ApiKey, Tenant, User
from router_service.users import subject_of

_TRIED: Final = 8
"""How many tenants with one email a password is tried against; who belongs to more names the tenant."""


@dataclass(frozen=True, slots=True)
class Authentication:
    """Answers with a principal, or raises Unauthenticated without saying why."""

    database: UnitOfWork
    passwords: Passwords
    now_us: Callable[[], int]

    async def sign_in(self, op: m.SignIn) -> m.AuthenticateReply:
        """A person; raises BadValue for one who must say which tenant, once the password is proven."""
        places = await self.database.read(partial(_places, email=op.email.lower(), tenant=op.tenant))
        if not places:
            await self.passwords.matches(None, op.password)
        proven = [
            (user, tenant)
            for user, tenant in places[:_TRIED]
            if await self.passwords.matches(user.password_hash, op.password)
        ]
        if not proven:
            raise Unauthenticated
        memberships = tuple(
            m.MembershipView(tenant=tenant.slug, tenant_name=tenant.name, role=user.role)
            for user, tenant in proven
        )
        if len(proven) > 1:
            names = ", ".join(place.tenant for place in memberships)
            raise BadValue("this person belongs to several tenants", mend=f"name one: {names}")
        user, tenant = proven[0]
        if self.passwords.is_outdated(user.password_hash):
            await self._renew(user, op.password)
        return m.AuthenticateReply(principal=_member(user, tenant), memberships=memberships)

    async def check_key(self, op: m.CheckKey) -> m.AuthenticateReply:
        """The tenant and role of a key that is in force."""
        return await self.database.read(partial(self._key, found={"digest": digest(op.key)}))

    async def check_principal(self, op: m.CheckPrincipal) -> m.AuthenticateReply:
        """The same subject in the same tenant, as it is now."""
        kind, _, identity = op.principal.subject.partition(":")
        reply = m.AuthenticateReply()
        if kind == "key":
            reply = await self.database.read(partial(self._key, found={"id": identity}))
        elif kind == "user":
            reply = await self.database.read(partial(_user, identity=identity))
        if reply.principal is None or reply.principal.tenant != op.principal.tenant:
            raise Unauthenticated
        return reply

    async def _key(self, tx: Transaction, found: dict[str, Any]) -> m.AuthenticateReply:
        now_us = self.now_us()
        for key in await tx.rows(ApiKey).find(**found):
            if key.revoked_us is not None or (key.expires_us is not None and key.expires_us <= now_us):
                break
            subject = f"key:{key.id}"
            if key.tenant_id is None:
                principal = m.Principal(subject=subject, admin=True)
            else:
                (tenant,) = await tx.rows(Tenant).find(id=key.tenant_id)
                principal = m.Principal(subject=subject, tenant=tenant.slug, role=key.role)
            return m.AuthenticateReply(principal=principal, requests_per_minute=key.requests_per_minute)
        raise Unauthenticated

    async def _renew(self, user: User, password: str) -> None:
        """Keep a hash with today's parameters, if the password was not changed meanwhile."""
        hashed = await self.passwords.hash(password)

        async def keep(tx: Transaction) -> None:
            for found in await tx.rows(User).find(id=user.id, password_hash=user.password_hash):
                await tx.rows(User).put(replace(found, password_hash=hashed))

        await self.database.write(keep)


async def _places(tx: Transaction, email: str, tenant: str | None) -> list[tuple[User, Tenant]]:
    """The active users with this email, each with its tenant."""
    places = []
    for user in await tx.rows(User).find(email=email, active=True):
        (whose,) = await tx.rows(Tenant).find(id=user.tenant_id)
        if tenant in (None, whose.slug):
            places.append((user, whose))
    return places


async def _user(tx: Transaction, identity: str) -> m.AuthenticateReply:
    for user in await tx.rows(User).find(id=identity, active=True):
        (tenant,) = await tx.rows(Tenant).find(id=user.tenant_id)
        place = m.MembershipView(tenant=tenant.slug, tenant_name=tenant.name, role=user.role)
        return m.AuthenticateReply(principal=_member(user, tenant), memberships=(place,))
    raise Unauthenticated


def _member(user: User, tenant: Tenant) -> m.Principal:
    return m.Principal(subject=subject_of(user), tenant=tenant.slug, role=user.role)
