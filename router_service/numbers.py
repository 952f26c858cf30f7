"""Called numbers. The operator creates and assigns them and sets their limit; a tenant configures its own."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from contracts import messages as m
from router_service.assistants import assistant_named
from router_service.configuration import check_known, snapshot_of
from router_service.errors import BadValue, Conflict, Forbidden, NotFound
from router_service.phone import e164
from router_service.records import Assistant, Number, Tenant
from router_service.work import Work, page


async def create(work: Work, op: m.CreateNumber) -> m.NumbersReply:
    """A number that the platform now has, assigned at once if the request names a tenant."""
    written = e164(op.number)
    if await work.rows(Number).find(number=written):
        raise Conflict(f"{written} is there already", mend="assign it instead")
    number = Number(
        id=work.new_id(),
        number=written,
        tenant_id=None,
        assistant_id=None,
        label=op.label,
        override={},
        max_concurrent_calls=op.max_concurrent_calls,
        active=True,
        created_us=work.now_us,
    )
    await work.log(None, "number.created", written)
    if (tenant := await work.tenant_if_named()) is not None:
        return await _give(work, number, tenant, op.assistant)
    if op.assistant is not None:
        raise BadValue("an assistant without a tenant", mend="name the tenant, or no assistant")
    await work.rows(Number).put(number)
    return m.NumbersReply(items=(_view(number, None, None),))


async def assign(work: Work, op: m.AssignNumber) -> m.NumbersReply:
    """Give the number to the tenant that is named, or to nobody. Nothing of a former tenant stays."""
    number = await _number(work, op.number)
    tenant = await work.tenant_if_named()
    former = await _holder(work, number)
    if former is not None and (tenant is None or former.id != tenant.id):
        await work.touch(former)
        await work.log(former, "number.taken", number.number)
    if tenant is None or former is None or former.id != tenant.id:
        number = replace(number, label="" if former else number.label, override={}, active=True)
    if tenant is not None:
        return await _give(work, number, tenant, op.assistant)
    if op.assistant is not None:
        raise BadValue("an assistant without a tenant", mend="name the tenant, or no assistant")
    freed = replace(number, tenant_id=None, assistant_id=None, assigned_by=None, assigned_at_us=None)
    await work.rows(Number).put(freed)
    return m.NumbersReply(items=(_view(freed, None, None),))


async def get(work: Work, op: m.GetNumber) -> m.NumbersReply:
    """One number."""
    number = await _number(work, op.number)
    return m.NumbersReply(items=(await _seen(work, number),))


async def list_all(work: Work, op: m.ListNumbers) -> m.NumbersReply:
    """The tenant's numbers; for an admin who names none, every number."""
    tenant = await work.tenant_if_named()
    whose: dict[str, Any] = {"tenant_id": tenant.id} if tenant else {}
    rows = await work.rows(Number).find(after=op.after, limit=op.limit + 1, **whose)
    items, cursor = page(rows, op.limit, lambda number: number.number)
    tenants = {row.id: row for row in ([tenant] if tenant else await work.rows(Tenant).find())}
    assistants = {row.id: row for row in await work.rows(Assistant).find(**whose)}
    views = (
        _view(row, tenants.get(row.tenant_id or ""), assistants.get(row.assistant_id or "")) for row in items
    )
    return m.NumbersReply(items=tuple(views), next=cursor)


async def update(work: Work, op: m.UpdateNumber) -> m.NumbersReply:
    """Change what is given; what the number would then be answered with must hold."""
    if op.max_concurrent_calls is not None and not work.who.admin:
        raise Forbidden("the limit of a number is the operator's", mend="ask the operator to change it")
    number = await _number(work, op.number)
    tenant = await _holder(work, number)
    given = op.model_dump(exclude={"op", "number", "assistant"}, exclude_none=True)
    changed = replace(number, **given)
    if tenant is None:
        if op.assistant is not None or op.override or op.active is not None:
            raise BadValue(f"{number.number} is nobody's", mend="assign it to a tenant first")
    else:
        if op.assistant is not None:
            changed = replace(changed, assistant_id=(await assistant_named(work, tenant, op.assistant)).id)
        if op.assistant is not None or op.override is not None:
            await _check(work, tenant, changed)
        await work.touch(tenant)
    await work.rows(Number).put(changed)
    await work.log(tenant, "number.configured", number.number, assistant=op.assistant, **given)
    return m.NumbersReply(items=(await _seen(work, changed),))


async def delete(work: Work, op: m.DeleteNumber) -> m.NumbersReply:
    """The platform no longer has it."""
    number = await _number(work, op.number)
    tenant = await _holder(work, number)
    if tenant is not None:
        await work.touch(tenant)
    await work.rows(Number).remove(id=number.id)
    await work.log(tenant, "number.deleted", number.number)
    return m.NumbersReply()


async def number_of(work: Work, tenant: Tenant, written: str) -> Number:
    """One of the tenant's own numbers; raises NotFound."""
    found = await work.rows(Number).find(number=e164(written), tenant_id=tenant.id)
    if not found:
        raise NotFound("number", e164(written))
    return found[0]


async def _number(work: Work, written: str) -> Number:
    """The number if the principal may see it; an admin sees all, whichever tenant the request names."""
    if not work.who.admin:
        return await number_of(work, await work.tenant(), written)
    found = await work.rows(Number).find(number=e164(written))
    if not found:
        raise NotFound("number", e164(written))
    return found[0]


async def _give(work: Work, number: Number, tenant: Tenant, assistant: str | None) -> m.NumbersReply:
    answering = await assistant_named(work, tenant, assistant) if assistant is not None else None
    kept = number.assistant_id if number.tenant_id == tenant.id else None
    given = replace(
        number,
        tenant_id=tenant.id,
        assistant_id=answering.id if answering else kept,
        assigned_by=work.who.subject,
        assigned_at_us=work.now_us,
    )
    await _check(work, tenant, given)
    await work.rows(Number).put(given)
    await work.touch(tenant)
    await work.log(tenant, "number.assigned", number.number, assistant=assistant)
    return m.NumbersReply(items=(await _seen(work, given),))


async def _check(work: Work, tenant: Tenant, number: Number) -> None:
    """Raise BadConfiguration if what the number would be answered with does not hold."""
    check_known(number.override, "override")
    for assistant in await _assistant(work, number):
        snapshot_of(tenant.slug, assistant.slug, assistant.config, number.override)


async def _assistant(work: Work, number: Number) -> list[Assistant]:
    if number.assistant_id is None:
        return []
    return await work.rows(Assistant).find(id=number.assistant_id)


async def _holder(work: Work, number: Number) -> Tenant | None:
    if number.tenant_id is None:
        return None
    return (await work.rows(Tenant).find(id=number.tenant_id))[0]


async def _seen(work: Work, number: Number) -> m.NumberView:
    found = await _assistant(work, number)
    return _view(number, await _holder(work, number), found[0] if found else None)


def _view(number: Number, tenant: Tenant | None, assistant: Assistant | None) -> m.NumberView:
    return m.NumberView(
        number=number.number,
        tenant=tenant.slug if tenant else None,
        label=number.label,
        assistant=assistant.slug if assistant else None,
        override=number.override,
        max_concurrent_calls=number.max_concurrent_calls,
        active=number.active,
        assigned_by=number.assigned_by,
        assigned_at_us=number.assigned_at_us,
        created_us=number.created_us,
    )
