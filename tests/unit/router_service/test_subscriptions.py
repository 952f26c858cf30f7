import pytest

from contracts import messages as m
from router_service.errors import BadValue, Forbidden
from router_service.records import Plan, Subscription
from router_service.subscriptions import Terms, in_force
from tests.support.office import ADMIN, Office, member


async def test_a_tenant_is_on_the_plan_it_was_given(desk: Office) -> None:
    gold = m.PlanView(slug="gold", name="Gold", max_concurrent_calls=50, inbound_reserve=10)
    await desk.ask(ADMIN, m.PutPlan(plan=gold))
    await desk.ask(ADMIN, m.CreateTenant(slug="acme", name="Acme", plan="gold"))

    found = (await desk.ask(member("acme"), m.GetSubscription())).subscription
    assert (found.plan, found.active, found.max_concurrent_calls, found.inbound_reserve) == (
        "gold",
        True,
        50,
        10,
    )
    assert [plan.slug for plan in (await desk.ask(member("acme"), m.ListPlans())).plans] == [
        "gold",
        "standard",
    ]

    await desk.ask(ADMIN, m.PutPlan(plan=gold.model_copy(update={"max_concurrent_calls": 60})))
    assert (await desk.ask(member("acme"), m.GetSubscription())).subscription.max_concurrent_calls == 60


async def test_plans_are_read_page_by_page(desk: Office) -> None:
    for slug in ("bronze", "gold", "silver"):
        plan = m.PlanView(slug=slug, name=slug, max_concurrent_calls=5, inbound_reserve=1)
        await desk.ask(ADMIN, m.PutPlan(plan=plan))

    first = await desk.ask(ADMIN, m.ListPlans(limit=2))
    assert ([plan.slug for plan in first.plans], first.next) == (["bronze", "gold"], "gold")
    second = await desk.ask(ADMIN, m.ListPlans(limit=2, after=first.next))
    assert ([plan.slug for plan in second.plans], second.next) == (["silver", "standard"], None)


async def test_a_tenants_own_limits_go_before_the_plans(desk: Office) -> None:
    owner = await desk.tenant("acme")

    await desk.ask(
        ADMIN, m.PutSubscription(plan="standard", max_concurrent_calls=3, inbound_reserve=1), "acme"
    )

    found = (await desk.ask(owner, m.GetSubscription())).subscription
    assert (found.max_concurrent_calls, found.inbound_reserve) == (3, 1)


async def test_a_reserve_above_all_calls_is_refused(desk: Office) -> None:
    await desk.tenant("acme")

    with pytest.raises(BadValue, match="inbound_reserve 11 is more than all 10 calls"):
        await desk.ask(ADMIN, m.PutSubscription(plan="standard", inbound_reserve=11), "acme")
    odd = m.PlanView(slug="odd", name="Odd", max_concurrent_calls=1, inbound_reserve=2)
    with pytest.raises(BadValue, match="inbound_reserve 2"):
        await desk.ask(ADMIN, m.PutPlan(plan=odd))


async def test_no_tenant_sets_its_own(desk: Office) -> None:
    owner = await desk.tenant("acme")

    with pytest.raises(Forbidden):
        await desk.ask(owner, m.PutSubscription(plan="standard", max_concurrent_calls=1000))


PRICE = m.Price(per_minute_micros=90_000, currency="USD", increment_s=60)
OWN_PRICE = m.Price(per_minute_micros=50_000, currency="EUR")


async def test_a_minute_costs_what_the_plan_says_or_what_was_agreed(desk: Office) -> None:
    owner = await desk.tenant("acme")

    async def price() -> m.Price | None:
        found: m.Price | None = (await desk.ask(owner, m.GetSubscription())).subscription.price
        return found

    assert await price() is None
    standard = m.PlanView(
        slug="standard", name="Standard", max_concurrent_calls=10, inbound_reserve=0, price=PRICE
    )
    assert (await desk.ask(ADMIN, m.PutPlan(plan=standard))).plans == (standard,)
    assert (await desk.ask(owner, m.ListPlans())).plans == (standard,)
    assert await price() == PRICE
    await desk.ask(ADMIN, m.PutSubscription(plan="standard", price=OWN_PRICE), "acme")
    assert await price() == OWN_PRICE
    await desk.ask(ADMIN, m.PutSubscription(plan="standard"), "acme")
    assert await price() == PRICE
    await desk.ask(ADMIN, m.PutPlan(plan=standard.model_copy(update={"price": None})))
    assert await price() is None


async def test_a_currency_that_there_is_not_is_refused_by_name(desk: Office) -> None:
    await desk.tenant("acme")
    odd = PRICE.model_copy(update={"currency": "XTS"})
    plan = m.PlanView(slug="odd", name="Odd", max_concurrent_calls=1, inbound_reserve=0, price=odd)

    with pytest.raises(BadValue, match=r"price\.currency 'XTS' is no currency of ISO 4217"):
        await desk.ask(ADMIN, m.PutPlan(plan=plan))
    with pytest.raises(BadValue, match="'XTS'"):
        await desk.ask(ADMIN, m.PutSubscription(plan="standard", price=odd), "acme")


async def test_engines_are_shared_as_the_plan_says_or_as_was_agreed(desk: Office) -> None:
    owner = await desk.tenant("acme")

    async def share() -> int:
        found: int = (await desk.ask(owner, m.GetSubscription())).subscription.share
        return found

    assert await share() == 1
    standard = m.PlanView(
        slug="standard", name="Standard", max_concurrent_calls=10, inbound_reserve=0, share=3
    )
    assert (await desk.ask(ADMIN, m.PutPlan(plan=standard))).plans == (standard,)
    assert (await desk.ask(owner, m.ListPlans())).plans == (standard,)
    assert await share() == 3
    await desk.ask(ADMIN, m.PutSubscription(plan="standard", share=100), "acme")
    assert await share() == 100
    await desk.ask(ADMIN, m.PutSubscription(plan="standard"), "acme")
    assert await share() == 3
    with pytest.raises(Forbidden):
        await desk.ask(owner, m.PutSubscription(plan="standard", share=100))


PLAN = Plan("p", "standard", "Standard", 10, 2)


@pytest.mark.parametrize(
    ("own", "terms"),
    [
        (Subscription("t", "p", active=True), Terms(True, 10, 2)),
        (Subscription("t", "p", active=False), Terms(False, 10, 2)),
        (Subscription("t", "p", active=True, ends_us=100), Terms(False, 10, 2)),
        (Subscription("t", "p", active=True, ends_us=101), Terms(True, 10, 2)),
        (Subscription("t", "p", active=True, max_concurrent_calls=0), Terms(True, 0, 0)),
        (Subscription("t", "p", active=True, max_concurrent_calls=4, inbound_reserve=0), Terms(True, 4, 0)),
        (Subscription("t", "p", active=True, share=5), Terms(True, 10, 2, share=5)),
    ],
)
def test_what_is_in_force(own: Subscription, terms: Terms) -> None:
    assert in_force(own, PLAN, now_us=100) == terms
