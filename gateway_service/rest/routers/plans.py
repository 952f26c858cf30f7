"""`/v1/plans`: what a subscription buys."""

from __future__ import annotations

from fastapi import APIRouter, Request

from contracts import messages as m
from contracts.channels import ROUTER_SUBSCRIPTIONS
from contracts.messages.access import Name
from contracts.messages.base import Calls, PlanSlug, Share
from gateway_service.rest.dependencies import Page, Who
from gateway_service.rest.json_route import JsonRoute
from gateway_service.rest.shapes import Body, Items, PriceBody, link_to

router = APIRouter(prefix="/v1/plans", tags=["plans"], route_class=JsonRoute)


class PlanBody(Body):
    """Calls at once, how many of those outbound traffic cannot take, the share of the engines beside other
    tenants', and what a minute costs, if anything.
    """

    name: Name
    max_concurrent_calls: Calls
    inbound_reserve: Calls
    share: Share = 1
    price: PriceBody | None = None


@router.get("")
async def list_plans(who: Who, page: Page, request: Request) -> Items[m.PlanView]:
    """The plans, by slug."""
    operation = m.ListPlans(**page.given())
    reply = await who.router(ROUTER_SUBSCRIPTIONS, m.SubscriptionsReply, operation)
    link_to(request, reply.next)
    return Items(items=reply.plans, next=reply.next)


@router.put("/{slug}")
async def put_plan(slug: PlanSlug, body: PlanBody, who: Who) -> m.PlanView:
    """Make or change a plan; every tenant on it gets the new limits, and the share and the price for its
    next calls.
    """
    operation = m.PutPlan(plan=m.PlanView(slug=slug, **body.given()))
    reply = await who.router(ROUTER_SUBSCRIPTIONS, m.SubscriptionsReply, operation)
    return next(plan for plan in reply.plans if plan.slug == slug)
