"""Secrets of vendors: the platform's shared ones, and those a tenant brings. Written, never read back."""

from __future__ import annotations

import logging
from dataclasses import replace

from contracts import messages as m
from router_service.errors import NotFound, Unsealable
from router_service.records import Credential, Tenant
from router_service.vault import Vault
from router_service.work import Work, page

log = logging.getLogger(__name__)

_OWN, _SHARED = "own", "shared"


class Credentials:
    """The operations, over a vault."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    async def put(self, work: Work, op: m.PutCredential) -> m.CredentialsReply:
        """Store it, for the tenant or, by an admin who names none, for all."""
        tenant = await work.tenant_if_named()
        owner = tenant.id if tenant else None
        rows = work.rows(Credential)
        found = await rows.find(tenant_id=owner, provider=op.provider, label=op.label)
        identity = found[0].id if found else work.new_id()
        credential = Credential(
            id=identity,
            tenant_id=owner,
            provider=op.provider,
            label=op.label,
            key_id=self._vault.newest,
            sealed=self._vault.seal(op.secret.encode(), bound_to=identity),
            updated_by=work.who.subject,
            updated_us=work.now_us,
        )
        await rows.put(credential)
        await work.log(tenant, "credential.stored", f"{op.provider}/{op.label}")
        return m.CredentialsReply(items=(_view(credential),))

    async def list_all(self, work: Work, op: m.ListCredentials) -> m.CredentialsReply:
        """The tenant's own, then the platform's."""
        tenant = await work.tenant_if_named()
        part, _, beyond = (op.after or "").partition(":")
        rows, found = work.rows(Credential), list[Credential]()
        if tenant is not None and part != _SHARED:
            found = await rows.find(tenant_id=tenant.id, after=beyond or None, limit=op.limit + 1)
        after = beyond if part == _SHARED else None
        found += await rows.find(tenant_id=None, after=after, limit=op.limit + 1 - len(found))
        items, cursor = page(found, op.limit, _place)
        return m.CredentialsReply(items=tuple(map(_view, items)), next=cursor)

    async def delete(self, work: Work, op: m.DeleteCredential) -> m.CredentialsReply:
        """Forget it."""
        tenant = await work.tenant_if_named()
        owner = tenant.id if tenant else None
        found = await work.rows(Credential).find(id=op.id, tenant_id=owner)
        if not found:
            raise NotFound("credential", op.id)
        await work.rows(Credential).remove(id=op.id)
        await work.log(tenant, "credential.deleted", f"{found[0].provider}/{found[0].label}")
        return m.CredentialsReply()

    async def reveal(self, work: Work, tenant: Tenant, provider: str, label: str = "default") -> str:
        """The secret that a service is to use for the tenant: its own, else the shared one; or NotFound."""
        for owner in (tenant.id, None):
            for found in await work.rows(Credential).find(tenant_id=owner, provider=provider, label=label):
                return self._vault.open(found.sealed, key_id=found.key_id, bound_to=found.id).decode()
        raise NotFound("credential", f"{provider}/{label}")

    async def seal_anew(self, work: Work) -> int:
        """Seal what older keys sealed with the newest one; returns how many. What cannot be opened stays."""
        done = 0
        for found in await work.rows(Credential).find():
            if found.key_id == self._vault.newest:
                continue
            try:
                plain = self._vault.open(found.sealed, key_id=found.key_id, bound_to=found.id)
            except Unsealable as error:
                log.error("credential %s/%s stays as it is: %s", found.provider, found.label, error)
                continue
            sealed = self._vault.seal(plain, bound_to=found.id)
            await work.rows(Credential).put(replace(found, key_id=self._vault.newest, sealed=sealed))
            done += 1
        return done


def _place(row: Credential) -> str:
    """Where a page ends: in the tenant's own or in the platform's, which follow."""
    return f"{_SHARED if row.tenant_id is None else _OWN}:{row.id}"


def _view(row: Credential) -> m.CredentialView:
    return m.CredentialView(
        id=row.id,
        provider=row.provider,
        label=row.label,
        shared=row.tenant_id is None,
        updated_by=row.updated_by,
        updated_us=row.updated_us,
    )
