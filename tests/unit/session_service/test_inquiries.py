"""What people ask about live calls: a tenant's, and nobody else's."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from contracts.messages import CountCalls, EndCall, ListLiveCalls, Occupancy
from session_service.errors import NotLeading, UnknownCall
from session_service.inquiries import Inquiries
from tests.unit.session_service.stage import NUMBER, TENANT, Stage, a_number, a_request

OTHERS_NUMBER = "+15550177"


@pytest.fixture
async def stage() -> Stage:
    """Three calls of a tenant and one of another."""
    stage = Stage()
    stage.staff()
    stage.admission.numbers["15550177"] = a_number(OTHERS_NUMBER, "other")
    for called in (NUMBER, NUMBER, NUMBER, OTHERS_NUMBER):
        assert (await stage.open(a_request(called))).error is None
    return stage


async def it_leads() -> None:
    """The mandate of a session that leads."""


async def it_was_deposed() -> None:
    raise NotLeading("another session leads", mend="ask again", retryable=True)


def inquiries(stage: Stage, leading: Callable[[], Awaitable[None]] = it_leads) -> Inquiries:
    return Inquiries(stage.lifecycle, stage.admission, leading, stage.clock)


async def test_who_leads_no_more_answers_nothing(stage: Stage) -> None:
    asked = inquiries(stage, it_was_deposed)
    for question in (
        asked.calls(ListLiveCalls(tenant=TENANT)),
        asked.counts(CountCalls(tenant=TENANT)),
        asked.end(EndCall(tenant=TENANT, call=stage.lifecycle.active(TENANT)[0].call)),
    ):
        with pytest.raises(NotLeading):
            await question
    assert len(stage.lifecycle.active(TENANT)) == 3


async def test_pages_hold_every_call_of_the_tenant_once(stage: Stage) -> None:
    first = await inquiries(stage).calls(ListLiveCalls(tenant=TENANT, limit=2))
    second = await inquiries(stage).calls(ListLiveCalls(tenant=TENANT, limit=2, after=first.next))

    wanted = sorted(call.call for call in stage.lifecycle.active(TENANT))
    assert [call.call for call in (*first.items, *second.items)] == wanted
    assert second.next is None
    assert {call.tenant for call in first.items} == {TENANT}


async def test_calls_are_narrowed_to_a_number_or_to_one(stage: Stage) -> None:
    asking = inquiries(stage)
    (theirs,) = (await asking.calls(ListLiveCalls(number=OTHERS_NUMBER))).items

    assert (theirs.tenant, theirs.number) == ("other", OTHERS_NUMBER)
    assert (await asking.calls(ListLiveCalls(call=theirs.call))).items == (theirs,)
    assert (await asking.calls(ListLiveCalls(tenant=TENANT, call=theirs.call))).items == ()


async def test_counts_are_of_the_tenant_alone_or_of_all(stage: Stage) -> None:
    own = (await inquiries(stage).counts(CountCalls(tenant=TENANT))).counts
    every = (await inquiries(stage).counts(CountCalls())).counts

    number = a_number()
    assert own.platform is None
    assert own.tenants == {TENANT: Occupancy(held=3, limit=number.tenant_max_concurrent_calls)}
    assert own.numbers == {NUMBER: Occupancy(held=3, limit=number.max_concurrent_calls)}
    assert every.platform is not None
    assert every.platform.held == 4
    assert set(every.tenants) == {TENANT, "other"}


async def test_a_call_of_another_tenant_cannot_be_ended(stage: Stage) -> None:
    (theirs,) = stage.lifecycle.active("other")
    with pytest.raises(UnknownCall):
        await inquiries(stage).end(EndCall(call=theirs.call, tenant=TENANT))

    assert stage.lifecycle.active("other") == [theirs]
    assert (await inquiries(stage).end(EndCall(call=theirs.call, tenant="other"))).error is None
