"""Plans, and which tenant is on which: what decides how many calls it may hold, how much of the engines they
get, and what a minute costs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar

from contracts import messages as m
from router_service.currencies import check_price
from router_service.errors import BadValue, NotFound
from router_service.records import Plan, Subscription, Tenant
from router_service.work import Work, page

DEFAULT_PLAN = "standard"
ValueT = TypeVar("ValueT")


async def list_plans(work: Work, op: m.ListPlans) -> m.SubscriptionsReply:
    """The plans, by slug."""
    rows = await work.rows(Plan).find(after=op.after, limit=op.limit + 1)
    plans, cursor = page(rows, op.limit, lambda plan: plan.slug)
    return m.SubscriptionsReply(plans=tuple(map(_plan_view, plans)), next=cursor)


async def put_plan(work: Work, op: m.PutPlan) -> m.SubscriptionsReply:
    """Make or change a plan; every tenant on it is published anew."""
    wanted = op.plan
    _check_reserve(wanted.inbound_reserve, wanted.max_concurrent_calls)
    check_price(wanted.price)
    found = await work.rows(Plan).find(slug=wanted.slug)
    plan = Plan(
        id=found[0].id if found else work.new_id(),
        slug=wanted.slug,
        name=wanted.name,
        max_concurrent_calls=wanted.max_concurrent_calls,
        inbound_reserve=wanted.inbound_reserve,
        price=price_kept(wanted.price),
        share=wanted.share,
    )
    await work.rows(Plan).put(plan)
    for subscription in await work.rows(Subscription).find(plan_id=plan.id):
        for tenant in await work.rows(Tenant).find(id=subscription.tenant_id):
            await work.touch(tenant)
    await work.log(None, "plan.set", plan.slug, **wanted.model_dump(mode="json", exclude={"slug"}))
    return m.SubscriptionsReply(plans=(_plan_view(plan),))


async def get(work: Work, _: m.GetSubscription) -> m.SubscriptionsReply:
    """The tenant's subscription as it is in force."""
    tenant = await work.tenant()
    found = await work.rows(Subscription).find(tenant_id=tenant.id)
    if not found:
        raise NotFound("subscription of", tenant.slug)
    return m.SubscriptionsReply(subscription=await _view(work, tenant, found[0]))


async def put(work: Work, op: m.PutSubscription) -> m.SubscriptionsReply:
    """Set the tenant's subscription."""
    check_price(op.price)
    tenant = await work.tenant()
    plan = await plan_named(work, op.plan)
    subscription = Subscription(
        tenant_id=tenant.id,
        plan_id=plan.id,
        active=op.active,
        ends_us=op.ends_us,
        max_concurrent_calls=op.max_concurrent_calls,
        inbound_reserve=op.inbound_reserve,
        price=price_kept(op.price),
        share=op.share,
    )
    view = await _view(work, tenant, subscription)
    _check_reserve(view.inbound_reserve, view.max_concurrent_calls)
    await work.rows(Subscription).put(subscription)
    await work.touch(tenant)
    await work.log(
        tenant,
        "subscription.set",
        tenant.slug,
        **op.model_dump(mode="json", exclude={"op"}, exclude_none=True),
    )
    return m.SubscriptionsReply(subscription=view)


async def start(work: Work, tenant: Tenant, plan: Plan) -> None:
    """Put a new tenant on a plan."""
    await work.rows(Subscription).put(Subscription(tenant_id=tenant.id, plan_id=plan.id, active=True))


async def plan_named(work: Work, slug: str | None) -> Plan:
    """The plan, or the default one; raises BadValue naming the plans there are."""
    wanted = slug or DEFAULT_PLAN
    plans = {plan.slug: plan for plan in await work.rows(Plan).find()}
    if wanted not in plans:
        raise BadValue(f"there is no plan {wanted!r}", mend=f"use one of: {', '.join(sorted(plans))}")
    return plans[wanted]


@dataclass(frozen=True, slots=True)
class Terms:
    """What a subscription amounts to now. `inbound_reserve` is never above the calls."""

    active: bool
    max_concurrent_calls: int
    inbound_reserve: int
    price: m.Price | None = None
    share: int = 1


def in_force(subscription: Subscription, plan: Plan, now_us: int) -> Terms:
    """The subscription's own terms, where it has any, else the plan's."""
    calls = _own_or(subscription.max_concurrent_calls, plan.max_concurrent_calls)
    reserve = _own_or(subscription.inbound_reserve, plan.inbound_reserve)
    ended = subscription.ends_us is not None and subscription.ends_us <= now_us
    price = _own_or(subscription.price, plan.price)
    share = _own_or(subscription.share, plan.share)
    return Terms(subscription.active and not ended, calls, min(reserve, calls), _price(price), share)


def price_kept(price: m.Price | None) -> dict[str, Any] | None:
    """The price as a record holds it."""
    return price.model_dump() if price is not None else None


def _price(kept: dict[str, Any] | None) -> m.Price | None:
    return m.Price.model_validate(kept) if kept is not None else None


def _own_or(own: ValueT | None, plans: ValueT) -> ValueT:
    return plans if own is None else own


def _check_reserve(reserve: int, calls: int) -> None:
    if reserve > calls:
        raise BadValue(f"inbound_reserve {reserve} is more than all {calls} calls", mend="lower it")


async def _view(work: Work, tenant: Tenant, subscription: Subscription) -> m.SubscriptionView:
    (plan,) = await work.rows(Plan).find(id=subscription.plan_id)
    terms = in_force(subscription, plan, work.now_us)
    return m.SubscriptionView(
        tenant=tenant.slug,
        plan=plan.slug,
        active=terms.active,
        ends_us=subscription.ends_us,
        max_concurrent_calls=_own_or(subscription.max_concurrent_calls, plan.max_concurrent_calls),
        inbound_reserve=_own_or(subscription.inbound_reserve, plan.inbound_reserve),
        share=terms.share,
        price=terms.price,
    )


def _plan_view(plan: Plan) -> m.PlanView:
    return m.PlanView(
        slug=plan.slug,
        name=plan.name,
        max_concurrent_calls=plan.max_concurrent_calls,
        inbound_reserve=plan.inbound_reserve,
        share=plan.share,
        price=_price(plan.price),
    )
