"""One piece of work for one principal: what it is about, its transaction, its time, and the log it leaves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

from contracts.messages import Principal
from router_service.errors import BadValue, NotFound
from router_service.ports import Rows, Transaction
from router_service.records import Audit, Tenant

RowT = TypeVar("RowT")


@dataclass(frozen=True, slots=True)
class Work:
    """Passed to every operation; `asked_tenant` is the tenant that the request names, if any."""

    tx: Transaction
    who: Principal
    asked_tenant: str | None
    now_us: int
    new_id: Callable[[], str]

    def rows(self, kind: type[RowT]) -> Rows[RowT]:
        """The rows of a kind."""
        return self.tx.rows(kind)

    async def tenant(self) -> Tenant:
        """The tenant that this is about; raises NotFound for one that the principal cannot see."""
        slug = self.asked_tenant or self.who.tenant
        if slug is None:
            raise BadValue("no tenant is named", mend="an admin says whose things it is about: tenant")
        if not self.who.admin and slug != self.who.tenant:
            raise NotFound("tenant", slug)
        found = await self.rows(Tenant).find(slug=slug, closed_us=None)
        if not found:
            raise NotFound("tenant", slug)
        return found[0]

    async def tenant_if_named(self) -> Tenant | None:
        """As `tenant`, but None for an admin who names none: it is about the whole platform."""
        if self.who.admin and self.asked_tenant is None:
            return None
        return await self.tenant()

    async def touch(self, tenant: Tenant) -> None:
        """The tenant's snapshots may differ from now on."""
        await self.rows(Tenant).put(replace(tenant, revision=tenant.revision + 1))

    async def log(self, tenant: Tenant | None, action: str, target: str, **detail: object) -> None:
        """Add to the audit log; `detail` never holds a secret."""
        await self.rows(Audit).put(
            Audit(
                id=self.new_id(),
                at_us=self.now_us,
                actor=self.who.subject,
                tenant_id=tenant.id if tenant else None,
                tenant=tenant.slug if tenant else None,
                action=action,
                target=target,
                detail={key: value for key, value in detail.items() if value is not None},
            )
        )


def page(rows: list[RowT], limit: int, cursor: Callable[[RowT], str]) -> tuple[list[RowT], str | None]:
    """The first `limit` of rows that were asked for with one more, and where the next page begins."""
    if len(rows) <= limit:
        return rows, None
    return rows[:limit], cursor(rows[limit - 1])
