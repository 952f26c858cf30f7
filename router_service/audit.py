"""The log of who changed what. Written by `Work.log`; here it is read."""

from __future__ import annotations

from typing import Any

from contracts import messages as m
from router_service.records import Audit
from router_service.work import Work, page


async def list_all(work: Work, op: m.ListAudit) -> m.AuditReply:
    """The tenant's entries, newest first; for an admin who names none, all."""
    tenant = await work.tenant_if_named()
    equals: dict[str, Any] = {"tenant_id": tenant.id} if tenant else {}
    if op.target is not None:
        equals["target"] = op.target
    rows = await work.rows(Audit).find(after=op.after, limit=op.limit + 1, **equals)
    items, cursor = page(rows, op.limit, lambda entry: entry.id)
    return m.AuditReply(items=tuple(map(_view, items)), next=cursor)


def _view(row: Audit) -> m.AuditEntry:
    return m.AuditEntry(
        id=row.id,
        at_us=row.at_us,
        actor=row.actor,
        tenant=row.tenant,
        action=row.action,
        target=row.target,
        detail=row.detail,
    )
