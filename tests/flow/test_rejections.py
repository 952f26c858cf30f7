"""A call that may not be answered is rejected before answer, and kept for billing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import analytics_service.app
from analytics_service.settings import Settings as AnalyticsSettings
from contracts import messages as m
from contracts.errors import ErrorCode
from contracts.identities import PLATFORM_TENANT, number_key
from contracts.messages import CallRejected, CallStarted
from tests.flow.test_media_tokens import CALLER, TENANT, caller, reached, token_in, voice
from tests.support.platform import SYNTHETIC_NUMBER, Platform
from tests.support.resting import service
from tests.support.waiting import eventually
from tests.support.web import Web, key_of


@dataclass
class Office:
    """A platform with its REST and its record, and those who configure it there."""

    running: Platform
    web: Web
    admin: dict[str, str]
    owner: dict[str, str]

    async def change(self, method: str, path: str, body: dict[str, Any]) -> None:
        answer = await self.web.client.request(method, f"/v1{path}", json=body, headers=self.admin)
        assert answer.is_success, answer.text

    async def configured(self, **wanted: Any) -> None:
        """Return once the next call sees it so."""
        session: Any = self.running.apps["session"]
        key = number_key(SYNTHETIC_NUMBER)

        def knows() -> bool:
            snapshot = session._numbers[key]
            return all(getattr(snapshot, name) == value for name, value in wanted.items())

        await eventually(knows, f"the session knows {wanted}")

    async def billed(self, sid: str, tenant: str | None, headers: dict[str, str]) -> list[dict[str, Any]]:
        """What the record tells a tenant of its rejected call, once it does."""
        query = {"outcome": "rejected"} | ({"tenant": tenant} if tenant else {})
        async with asyncio.timeout(20):
            while True:
                answer = await self.web.client.get("/v1/calls", params=query, headers=headers)
                assert answer.is_success, answer.text
                records = [item["record"] for item in answer.json()["items"]]
                if found := [one for one in records if one["carrier_call_id"] == sid]:
                    return found
                await asyncio.sleep(0.05)


@asynccontextmanager
async def office(nats_url: str, folder: Path, **settings: Any) -> AsyncIterator[Office]:
    analytics = AnalyticsSettings(nats_url=nats_url, home=folder / "home", analytics_batch_s=0.1)
    async with (
        reached(nats_url, folder, **settings) as (running, web),
        service(analytics_service.app.SERVICE, analytics),
    ):
        yield Office(running, web, await key_of(running.bus, None), await key_of(running.bus, TENANT))


async def rejected(there: Office, at: int, status: int, code: ErrorCode, tenant: str = TENANT) -> None:
    """A carrier's call is rejected as its first and only verb, answered by nobody, and billed to `tenant`."""
    called = SYNTHETIC_NUMBER if tenant == TENANT else "+15550999"
    reason = "busy" if status in (486, 503) else "rejected"
    sid, known = f"CA{at:032x}", len(there.running.record.bodies(CallRejected))
    started = len(there.running.record.bodies(CallStarted))
    held = len((await there.running.active_calls()).calls)

    (verb,) = await voice(there.web, CallSid=sid, To=called)

    assert (verb.tag, verb.attrib) == ("Reject", {"reason": reason})
    body = (await there.running.record.wait_for(CallRejected, known + 1))[known]
    assert (body.status, body.code, body.carrier_call_id) == (status, code, sid)
    assert (body.called, body.caller) == (called, CALLER)
    assert len(there.running.record.bodies(CallStarted)) == started
    assert len((await there.running.active_calls()).calls) == held
    headers = there.owner if tenant == TENANT else there.admin
    asked = None if tenant == TENANT else tenant
    (line,) = await there.billed(sid, asked, headers)
    assert (line["rejected_status"], line["rejected_code"], line["answered"]) == (status, code, False)
    assert (line["called"], line["caller"], line["tenant"]) == (called, CALLER, tenant)


async def test_404_402_and_486_are_said_before_answer_and_kept_for_billing(
    nats_url: str, tmp_path: Path
) -> None:
    number, subscription = f"/numbers/%2B{SYNTHETIC_NUMBER[1:]}", f"/subscription?tenant={TENANT}"
    async with office(nats_url, tmp_path) as there:
        await rejected(there, 1, 404, ErrorCode.UNKNOWN_NUMBER, PLATFORM_TENANT)

        await there.change("PATCH", number, {"active": False})
        await there.configured(active=False)
        await rejected(there, 2, 404, ErrorCode.NUMBER_INACTIVE)

        await there.change("PATCH", number, {"active": True, "max_concurrent_calls": 0})
        await there.configured(active=True, max_concurrent_calls=0)
        await rejected(there, 3, 486, ErrorCode.NUMBER_FULL)

        await there.change("PATCH", number, {"max_concurrent_calls": 9})
        await there.change("PUT", subscription, {"plan": "standard", "max_concurrent_calls": 0})
        await there.configured(max_concurrent_calls=9, tenant_max_concurrent_calls=0)
        await rejected(there, 4, 486, ErrorCode.TENANT_FULL)

        await there.change("PUT", subscription, {"plan": "standard", "active": False})
        await there.configured(subscription_active=False)
        await rejected(there, 5, 402, ErrorCode.SUBSCRIPTION_INACTIVE)


async def test_503_is_said_before_answer_while_a_call_that_was_admitted_goes_on(
    nats_url: str, tmp_path: Path
) -> None:
    async with office(nats_url, tmp_path, session_max_calls=1) as there:
        async with caller(there.running, token_in(await voice(there.web))):
            await there.running.record.wait_for(CallStarted)
            await rejected(there, 9, 503, ErrorCode.PLATFORM_FULL)
            assert len((await there.running.active_calls()).calls) == 1
        await there.running.record.wait_for(m.CallEnded)
        assert token_in(await voice(there.web, CallSid="CA" + "e" * 32))
