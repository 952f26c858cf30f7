"""API keys: 32 random bytes that are shown once and kept as a digest."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import replace
from typing import Final

from contracts import messages as m
from router_service.errors import BadValue, NotFound
from router_service.records import ApiKey, Tenant
from router_service.work import Work, page

_MARK: Final = "tlk_"
_SHOWN: Final = 12


def digest(key: str) -> str:
    """What is kept of a key. It has 256 random bits, so a plain hash gives nothing away."""
    return hashlib.sha256(key.encode()).hexdigest()


async def create(work: Work, op: m.CreateKey) -> m.KeysReply:
    """A key of the tenant; for an admin who names no tenant, an admin's key."""
    tenant = await work.tenant_if_named()
    if (tenant is None) is not (op.role is None):
        raise BadValue("a tenant's key has a role, an admin's has none", mend="name both or neither")
    if op.expires_us is not None and op.expires_us <= work.now_us:
        raise BadValue("expires_us is past", mend="microseconds since 1970, in the future")
    secret = _MARK + secrets.token_urlsafe(32)
    key = ApiKey(
        id=work.new_id(),
        tenant_id=tenant.id if tenant else None,
        role=op.role,
        label=op.label,
        prefix=secret[:_SHOWN],
        digest=digest(secret),
        requests_per_minute=op.requests_per_minute,
        created_by=work.who.subject,
        created_us=work.now_us,
        expires_us=op.expires_us,
    )
    await work.rows(ApiKey).put(key)
    await work.log(tenant, "key.created", key.id, label=op.label, role=op.role)
    return m.KeysReply(items=(_view(key, tenant),), secret=secret)


async def list_all(work: Work, op: m.ListKeys) -> m.KeysReply:
    """The tenant's keys; for an admin who names no tenant, the admins'."""
    tenant = await work.tenant_if_named()
    rows = await work.rows(ApiKey).find(
        tenant_id=tenant.id if tenant else None, after=op.after, limit=op.limit + 1
    )
    items, cursor = page(rows, op.limit, lambda key: key.id)
    return m.KeysReply(items=tuple(_view(key, tenant) for key in items), next=cursor)


async def revoke(work: Work, op: m.RevokeKey) -> m.KeysReply:
    """End it; ending it again changes nothing."""
    tenant = await work.tenant_if_named()
    found = await work.rows(ApiKey).find(id=op.id, tenant_id=tenant.id if tenant else None)
    if not found:
        raise NotFound("key", op.id)
    key = found[0]
    if key.revoked_us is None:
        key = replace(key, revoked_us=work.now_us)
        await work.rows(ApiKey).put(key)
        await work.log(tenant, "key.revoked", key.id, label=key.label)
    return m.KeysReply(items=(_view(key, tenant),))


def _view(key: ApiKey, tenant: Tenant | None) -> m.KeyView:
    return m.KeyView(
        id=key.id,
        prefix=key.prefix,
        label=key.label,
        tenant=tenant.slug if tenant else None,
        role=key.role,
        requests_per_minute=key.requests_per_minute,
        created_by=key.created_by,
        created_us=key.created_us,
        expires_us=key.expires_us,
        revoked_us=key.revoked_us,
    )
