"""Assistants: who answers. Every change is a revision that can be looked at and restored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from contracts import messages as m
from router_service.configuration import check_known, merge, snapshot_of
from router_service.errors import BadConfiguration, Conflict, NotFound
from router_service.records import Assistant, AssistantRevision, Number, Tenant
from router_service.work import Work, page


async def create(work: Work, op: m.CreateAssistant) -> m.AssistantsReply:
    """A new assistant."""
    tenant = await work.tenant()
    if await work.rows(Assistant).find(tenant_id=tenant.id, slug=op.id):
        raise Conflict(f"{tenant.slug} has an assistant {op.id!r}", mend="change that, or choose another id")
    check_known(op.config, "config")
    assistant = await _unwritten(work, tenant, op.id)
    changed = await _change(work, tenant, assistant, op.config, "assistant.created")
    return m.AssistantsReply(items=(_view(tenant, changed),))


async def get(work: Work, op: m.GetAssistant) -> m.AssistantsReply:
    """One assistant."""
    tenant = await work.tenant()
    return m.AssistantsReply(items=(_view(tenant, await assistant_named(work, tenant, op.id)),))


async def list_all(work: Work, op: m.ListAssistants) -> m.AssistantsReply:
    """The tenant's assistants."""
    tenant = await work.tenant()
    rows = await work.rows(Assistant).find(tenant_id=tenant.id, after=op.after, limit=op.limit + 1)
    items, cursor = page(rows, op.limit, lambda assistant: assistant.slug)
    return m.AssistantsReply(items=tuple(_view(tenant, item) for item in items), next=cursor)


async def update(work: Work, op: m.UpdateAssistant) -> m.AssistantsReply:
    """Merge the changes in; raises Conflict if somebody was faster and the request asked to be told."""
    tenant = await work.tenant()
    assistant = await assistant_named(work, tenant, op.id)
    if op.if_revision is not None and op.if_revision != assistant.revision:
        raise Conflict(
            f"{op.id} is at revision {assistant.revision}, not {op.if_revision}", mend="read it again"
        )
    check_known(op.changes, "changes")
    config = merge(assistant.config, op.changes)
    changed = await _change(work, tenant, assistant, config, "assistant.configured")
    return m.AssistantsReply(items=(_view(tenant, changed),))


async def delete(work: Work, op: m.DeleteAssistant) -> m.AssistantsReply:
    """Remove it; raises Conflict while a number is answered by it. Its revisions stay."""
    tenant = await work.tenant()
    assistant = await assistant_named(work, tenant, op.id)
    used = await work.rows(Number).find(assistant_id=assistant.id, limit=1)
    if used:
        raise Conflict(f"{used[0].number} is answered by {op.id}", mend="give it another assistant first")
    await work.rows(Assistant).remove(id=assistant.id)
    gone = replace(
        assistant, revision=assistant.revision + 1, changed_by=work.who.subject, changed_us=work.now_us
    )
    await _keep(work, gone, deleted=True)
    await work.touch(tenant)
    await work.log(tenant, "assistant.deleted", op.id)
    return m.AssistantsReply()


async def revisions(work: Work, op: m.ListRevisions) -> m.AssistantsReply:
    """Every change of an assistant, newest first; also of one that is deleted."""
    tenant = await work.tenant()
    found = await work.rows(AssistantRevision).find(
        tenant_id=tenant.id, slug=op.id, after=op.after, limit=op.limit + 1
    )
    if not found and op.after is None:
        raise NotFound("assistant", op.id)
    items, cursor = page(found, op.limit, lambda revision: str(revision.revision))
    return m.AssistantsReply(items=tuple(_view(tenant, item) for item in items), next=cursor)


async def restore(work: Work, op: m.RestoreRevision) -> m.AssistantsReply:
    """Configure it as it was."""
    tenant = await work.tenant()
    assistant = await assistant_named(work, tenant, op.id)
    found = await work.rows(AssistantRevision).find(tenant_id=tenant.id, slug=op.id, revision=op.revision)
    if not found:
        raise NotFound("revision", f"{op.id}/{op.revision}")
    changed = await _change(work, tenant, assistant, found[0].config, "assistant.restored")
    return m.AssistantsReply(items=(_view(tenant, changed),))


async def assistant_named(work: Work, tenant: Tenant, slug: str) -> Assistant:
    """The tenant's assistant; raises NotFound."""
    found = await work.rows(Assistant).find(tenant_id=tenant.id, slug=slug)
    if not found:
        raise NotFound("assistant", slug)
    return found[0]


async def _change(
    work: Work, tenant: Tenant, assistant: Assistant, config: Mapping[str, Any], action: str
) -> Assistant:
    """Keep a configuration that holds, alone and for every number that it answers."""
    snapshot_of(tenant.slug, assistant.slug, config, {})
    for number in await work.rows(Number).find(assistant_id=assistant.id):
        try:
            snapshot_of(tenant.slug, assistant.slug, config, number.override)
        except BadConfiguration as error:
            raise BadConfiguration(
                f"with the override of {number.number}, {error.message}", mend=error.mend
            ) from error
    changed = await keep(work, tenant, assistant, config, action)
    await work.touch(tenant)
    return changed


async def keep(
    work: Work, tenant: Tenant, assistant: Assistant | str, config: Mapping[str, Any], action: str
) -> Assistant:
    """Write the next revision of an assistant, or the first of a slug, whether or not it holds."""
    if isinstance(assistant, str):
        assistant = await _unwritten(work, tenant, assistant)
    changed = replace(
        assistant,
        config=dict(config),
        revision=assistant.revision + 1,
        changed_by=work.who.subject,
        changed_us=work.now_us,
    )
    await work.rows(Assistant).put(changed)
    await _keep(work, changed, deleted=False)
    await work.log(tenant, action, changed.slug, revision=changed.revision)
    return changed


async def _unwritten(work: Work, tenant: Tenant, slug: str) -> Assistant:
    """An assistant of revision 0, or of the last one that its slug had before it was deleted."""
    earlier = await work.rows(AssistantRevision).find(tenant_id=tenant.id, slug=slug, limit=1)
    revision = earlier[0].revision if earlier else 0
    return Assistant(work.new_id(), tenant.id, slug, {}, revision, work.who.subject, work.now_us)


async def _keep(work: Work, assistant: Assistant, *, deleted: bool) -> None:
    await work.rows(AssistantRevision).put(
        AssistantRevision(
            id=work.new_id(),
            tenant_id=assistant.tenant_id,
            slug=assistant.slug,
            revision=assistant.revision,
            config=assistant.config,
            deleted=deleted,
            changed_by=assistant.changed_by,
            changed_us=assistant.changed_us,
        )
    )


def _view(tenant: Tenant, row: Assistant | AssistantRevision) -> m.AssistantView:
    return m.AssistantView(
        id=row.slug,
        tenant=tenant.slug,
        config=row.config,
        revision=row.revision,
        changed_by=row.changed_by,
        changed_us=row.changed_us,
    )
