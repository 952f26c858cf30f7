"""What would answer, if this were saved."""

from __future__ import annotations

from contracts import messages as m
from router_service.assistants import assistant_named
from router_service.configuration import check_known, merge, snapshot_of
from router_service.errors import BadValue
from router_service.numbers import number_of
from router_service.records import Assistant, Number, Plan, Subscription, Tenant
from router_service.subscriptions import in_force
from router_service.work import Work


async def preview(work: Work, asked: m.PreviewRequest) -> m.PreviewReply:
    """The merged configuration, by the rules that publish it; raises BadConfiguration as saving would."""
    tenant = await work.tenant()
    number = await number_of(work, tenant, asked.number) if asked.number is not None else None
    assistant = await _assistant(work, tenant, asked, number)
    override = asked.override if asked.override is not None else number.override if number else {}
    check_known(asked.changes, "changes")
    check_known(override, "override")
    merged = snapshot_of(tenant.slug, assistant.slug, merge(assistant.config, asked.changes), override)
    if number is None:
        return m.PreviewReply(assistant=merged)
    return m.PreviewReply(assistant=merged, snapshot=await _snapshot(work, tenant, number, merged))


async def _assistant(work: Work, tenant: Tenant, asked: m.PreviewRequest, number: Number | None) -> Assistant:
    if asked.assistant is not None:
        return await assistant_named(work, tenant, asked.assistant)
    if number is None:
        raise BadValue("neither an assistant nor a number is named", mend="name one of them")
    if number.assistant_id is None:
        raise BadValue(f"{number.number} has no assistant", mend="name the assistant to look at")
    return (await work.rows(Assistant).find(id=number.assistant_id))[0]


async def _snapshot(
    work: Work, tenant: Tenant, number: Number, assistant: m.AssistantSnapshot
) -> m.NumberSnapshot:
    (subscription,) = await work.rows(Subscription).find(tenant_id=tenant.id)
    (plan,) = await work.rows(Plan).find(id=subscription.plan_id)
    terms = in_force(subscription, plan, work.now_us)
    return m.NumberSnapshot(
        number=number.number,
        tenant=tenant.slug,
        tenant_name=tenant.name,
        subscription_active=terms.active,
        active=number.active,
        max_concurrent_calls=number.max_concurrent_calls,
        tenant_max_concurrent_calls=terms.max_concurrent_calls,
        tenant_inbound_reserve=terms.inbound_reserve,
        tenant_share=terms.share,
        recording_allowed=tenant.recording_allowed,
        price=terms.price,
        assistant=assistant,
    )
