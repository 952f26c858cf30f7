"""What a call costs, from the price that an admin sets to the record: REST, router, session, analytics."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import analytics_service.app
from analytics_service.settings import Settings as AnalyticsSettings
from contracts import messages as m
from contracts.channels import ANALYTICS_QUERY
from contracts.errors import ErrorCode
from contracts.identities import CallRef
from tests.flow.test_router import session
from tests.support.resting import Api, Resting, resting, service
from tests.support.routing import ask_to_open
from tests.unit.session_service.stage import LEFT, STARTED

TENANT = "acme"
NUMBER = "+12025550123"
PRICE = {"per_minute_micros": 90_000, "currency": "USD", "increment_s": 60}
DEARER = {**PRICE, "per_minute_micros": 5_000_000}


@pytest.fixture
async def there(nats_url: str, tmp_path: Path) -> AsyncIterator[Resting]:
    analytics = AnalyticsSettings(nats_url=nats_url, home=tmp_path / "home", analytics_batch_s=0.1)
    async with (
        resting(nats_url, tmp_path, router_reload_s=600) as rest,
        session(nats_url),
        service(analytics_service.app.SERVICE, analytics),
    ):
        yield rest


async def price_is_set(there: Resting, price: dict[str, Any]) -> None:
    plan = {"name": "Standard", "max_concurrent_calls": 10, "inbound_reserve": 0, "price": price}
    assert (await there.admin.done("PUT", "/plans/standard", plan))["price"] == price


async def accepted(there: Resting) -> CallRef:
    """A call that is not answered yet; session is asked until it knows the number and the workers."""
    async with asyncio.timeout(30):
        while (reply := await ask_to_open(there.bus.bus, NUMBER)).error is not None:
            assert reply.error.code in (ErrorCode.UNKNOWN_NUMBER, ErrorCode.NO_WORKER), reply.error
    assert reply.call is not None
    return CallRef(TENANT, reply.call)


async def priced(there: Resting, price: dict[str, Any]) -> CallRef:
    """An answered call at this price; session hears of a price a moment after it is set."""
    wanted = price["per_minute_micros"]
    async with asyncio.timeout(60):
        while True:
            ref = await accepted(there)
            await there.bus.bus.publish_event(ref, STARTED)
            while not (cost := (await there.admin.done("GET", f"/calls/{ref.call}"))["cost"])["billed_s"]:
                continue
            if cost["amount_micros"] * 60 == wanted * cost["billed_s"]:
                return ref
            await there.bus.bus.publish_event(ref, LEFT)


async def past(owner: Api, ref: CallRef) -> dict[str, Any]:
    """The call, once the record has its end."""
    async with asyncio.timeout(30):
        while True:
            answer = await owner("GET", f"/calls/{ref.call}")
            if answer.is_success and (call := answer.json())["state"] == "ended":
                return dict(call)


async def test_a_call_costs_what_a_minute_cost_when_it_began(there: Resting) -> None:
    owner = await there.tenant(TENANT)
    await price_is_set(there, PRICE)
    assert (await owner.done("GET", "/subscription"))["price"] == PRICE
    query = {"tenant": TENANT}
    await there.admin.done("POST", "/numbers", {"number": NUMBER, "assistant": "desk"}, params=query)

    ref = await priced(there, PRICE)
    (listed,) = (await owner.done("GET", "/calls", params={"state": "active"}))["items"]
    minutes = listed["cost"]["billed_s"] // 60
    assert listed["cost"] == {
        "amount_micros": 90_000 * minutes,
        "currency": "USD",
        "billed_s": 60 * minutes,
    }
    refused = await ask_to_open(there.bus.bus, NUMBER)  # the number holds one call
    assert refused.error is not None
    assert refused.error.code is ErrorCode.NUMBER_FULL
    assert refused.call is not None

    await price_is_set(there, DEARER)
    await there.bus.bus.publish_event(ref, LEFT)
    told = await past(owner, ref)
    minutes = told["cost"]["billed_s"] // 60
    assert told["cost"] == {"amount_micros": 90_000 * minutes, "currency": "USD", "billed_s": 60 * minutes}
    assert told["record"]["cost_micros"] == told["cost"]["amount_micros"]
    nothing = {"amount_micros": 0, "currency": "", "billed_s": 0}
    assert (await past(owner, CallRef(TENANT, refused.call)))["cost"] == nothing

    following = await priced(there, DEARER)
    await there.bus.bus.publish_event(following, LEFT)
    assert (await past(owner, following))["cost"]["amount_micros"] % DEARER["per_minute_micros"] == 0
    costs = {call["id"]: call["cost"] for call in (await owner.done("GET", "/calls"))["items"]}
    assert costs[ref.call] == told["cost"]

    asked = m.SqlQuery(sql="SELECT currency, sum(total) FROM cost_per_day GROUP BY currency", max_rows=9)
    report = await there.bus.bus.request(ANALYTICS_QUERY, asked, m.SqlResult, timeout_s=20)
    total_micros = sum(cost["amount_micros"] for cost in costs.values())
    (currency, total) = report.rows[0]
    assert (currency, Decimal(str(total)) * 1_000_000) == ("USD", total_micros)


async def test_a_call_that_was_never_answered_costs_nothing(there: Resting) -> None:
    owner = await there.tenant(TENANT)
    await price_is_set(there, PRICE)
    query = {"tenant": TENANT}
    await there.admin.done("POST", "/numbers", {"number": NUMBER, "assistant": "desk"}, params=query)

    ref = await accepted(there)
    await there.bus.bus.publish_event(ref, LEFT)
    nothing = {"amount_micros": 0, "currency": "USD", "billed_s": 0}
    assert (await past(owner, ref))["cost"] == nothing


WRONG: tuple[tuple[dict[str, Any], str], ...] = (
    ({"currency": "XTS"}, "XTS"),
    ({"currency": "usd"}, "currency"),
    ({"currency": None}, "currency"),
    ({"per_minute_micros": 0.09}, "per_minute_micros"),
    ({"per_minute_micros": "90000"}, "per_minute_micros"),
    ({"per_minute_micros": -1}, "per_minute_micros"),
    ({"per_minute_micros": 10**12}, "per_minute_micros"),
    ({"increment_s": 0}, "increment_s"),
    ({"per_minute": 9}, "per_minute"),
)


async def test_a_price_that_cannot_be_is_refused_by_name(nats_url: str, tmp_path: Path) -> None:
    async with resting(nats_url, tmp_path) as there:
        owner = await there.tenant(TENANT)
        of_acme = {"tenant": TENANT}
        for wrong, said in WRONG:
            price = {**PRICE, **wrong}
            plan = {"name": "Odd", "max_concurrent_calls": 1, "inbound_reserve": 0, "price": price}
            own = {"plan": "standard", "price": price}
            for answer in (
                await there.admin("PUT", "/plans/odd", plan),
                await there.admin("PUT", "/subscription", own, params=of_acme),
            ):
                assert answer.status_code in (400, 422), answer.text
                assert said in answer.text
        assert (await owner("PUT", "/subscription", {"plan": "standard", "price": PRICE})).status_code == 403
        assert (await owner.done("GET", "/subscription"))["price"] is None
