"""Calls through REST: live ones are seen, counted and ended; past ones are told by the record."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

import analytics_service.app
from analytics_service.settings import Settings as AnalyticsSettings
from contracts.messages import EndReason, MemberRole
from tests.support.resting import Resting, resting, service
from tests.unit.session_service.stage import TENANT, a_number
from tests.unit.session_service.town import PATIENT, Town, session, town

NUMBER = a_number().number
UNKNOWN = "01997d1e-0000-7000-8000-000000000001"


@pytest.fixture
async def there(nats_url: str, tmp_path: Path) -> AsyncIterator[tuple[Resting, Town]]:
    """REST, router, analytics and a session, with workers and a gateway whose callers are the test's."""
    analytics = AnalyticsSettings(nats_url=nats_url, home=tmp_path / "home", analytics_batch_s=0.1)
    async with AsyncExitStack() as stack:
        rest = await stack.enter_async_context(resting(nats_url, tmp_path))
        await rest.bus.tenant(TENANT)
        await rest.bus.tenant("other")
        places = await stack.enter_async_context(town(nats_url))
        await stack.enter_async_context(session(nats_url, **PATIENT))
        await stack.enter_async_context(service(analytics_service.app.SERVICE, analytics))
        yield rest, places


async def test_a_call_is_seen_counted_ended_and_told_afterwards(there: tuple[Resting, Town]) -> None:
    rest, places = there
    owner, other, agent = (
        await rest.owner(TENANT),
        await rest.owner("other"),
        await rest.owner(TENANT, MemberRole.AGENT),
    )
    ref = await places.opened()
    await places.answer_hang_ups(ref)

    page = await owner.done("GET", "/calls", params={"state": "active"})
    assert [(call["id"], call["state"], call["number"]) for call in page["items"]] == [
        (ref.call, "active", NUMBER)
    ]
    assert (await owner.done("GET", f"/calls/{ref.call}"))["tenant"] == TENANT
    counts = await owner.done("GET", "/usage")
    limit = a_number().max_concurrent_calls
    assert counts["platform"] is None
    assert (counts["numbers"][NUMBER]["held"], counts["numbers"][NUMBER]["limit"]) == (1, limit)
    assert counts["tenants"][TENANT]["held"] == 1

    for thief in (other, agent):
        assert not (await thief("POST", f"/calls/{ref.call}/end")).is_success
    assert (await other("GET", f"/calls/{ref.call}")).status_code == 404
    assert (await other.done("GET", "/calls", params={"state": "active"}))["items"] == []
    assert (await other.done("GET", "/usage"))["numbers"] == {}
    assert not places.hung_up

    once = {"headers": {"Idempotency-Key": "one"}}
    ended = await owner("POST", f"/calls/{ref.call}/end", **once)
    assert (ended.status_code, ended.json()["id"]) == (202, ref.call)
    await places.ends(ref, EndReason.COMMANDED)
    again = await owner("POST", f"/calls/{ref.call}/end", **once)
    assert (again.status_code, again.json()) == (202, ended.json())
    assert (await owner("POST", f"/calls/{UNKNOWN}/end", **once)).status_code == 409
    assert (await owner("POST", f"/calls/{ref.call}/end")).status_code == 404

    while not (past := (await owner.done("GET", "/calls"))["items"]):
        pass
    assert (past[0]["id"], past[0]["state"], past[0]["record"]["reason"]) == (ref.call, "ended", "commanded")
    assert (await owner.done("GET", f"/calls/{ref.call}"))["state"] == "ended"
    assert (await other.done("GET", "/calls"))["items"] == []
    same = (await owner.done("GET", f"/calls?number={NUMBER}"))["items"]  # its plus arrives as a space
    assert [call["id"] for call in same] == [ref.call]


async def test_pages_of_calls_follow_one_another(there: tuple[Resting, Town]) -> None:
    rest, places = there
    refs = sorted([(await places.opened()).call for _ in range(5)])

    seen, after = [], None
    while True:
        query = {"state": "active", "limit": 2} | ({"after": after} if after else {})
        answer = await rest.admin("GET", "/calls", params=query)
        seen += [call["id"] for call in answer.json()["items"]]
        after = answer.json()["next"]
        assert ("Link" in answer.headers) is (after is not None)
        if after is None:
            break
    assert seen == refs
