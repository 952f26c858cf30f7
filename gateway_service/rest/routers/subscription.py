"""`/v1/subscription`: what a tenant is on."""

from __future__ import annotations

from fastapi import APIRouter

from contracts import messages as m
from contracts.channels import ROUTER_SUBSCRIPTIONS
from contracts.messages.base import Calls, Micros, PlanSlug, Share
from gateway_service.rest.dependencies import Ask
from gateway_service.rest.json_route import JsonRoute
from gateway_service.rest.shapes import Body, PriceBody

router = APIRouter(prefix="/v1/subscription", tags=["plans"], route_class=JsonRoute)


class SubscriptionBody(Body):
    """The plan, and where the tenant has limits, a share or a price of its own, those."""

    plan: PlanSlug
    active: bool = True
    ends_us: Micros | None = None
    max_concurrent_calls: Calls | None = None
    inbound_reserve: Calls | None = None
    share: Share | None = None
    price: PriceBody | None = None


@router.get("")
async def get_subscription(ask: Ask) -> m.SubscriptionView:
    """The subscription as it is in force."""
    return await _asked(ask, m.GetSubscription())


@router.put("")
async def put_subscription(body: SubscriptionBody, ask: Ask) -> m.SubscriptionView:
    """Set the subscription; a limit left out is the plan's, and so are the share and the price."""
    return await _asked(ask, m.PutSubscription(**body.given()))


async def _asked(ask: Ask, operation: m.Message) -> m.SubscriptionView:
    reply = await ask.router(ROUTER_SUBSCRIPTIONS, m.SubscriptionsReply, operation)
    assert reply.subscription is not None
    return reply.subscription
