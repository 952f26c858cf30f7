"""How a caller came, through a carrier or by a program, is told of a live call and of one on record."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from contracts.messages import CallStarted
from tests.flow.test_media_tokens import CALLER, caller, token_in, voice
from tests.flow.test_rejections import Office, office
from tests.support.platform import SYNTHETIC_NUMBER


async def listed(there: Office, state: str, count: int) -> dict[str, Any]:
    """The channel of each of the tenant's calls, once there are so many."""
    async with asyncio.timeout(20):
        while True:
            answer = await there.web.client.get("/v1/calls", params={"state": state}, headers=there.owner)
            assert answer.is_success, answer.text
            if len(found := answer.json()["items"]) == count:
                return {call["carrier_call_id"]: call["channel"] for call in found}
            await asyncio.sleep(0.05)


async def test_a_call_tells_how_it_came_while_it_goes_on_and_afterwards(
    nats_url: str, tmp_path: Path
) -> None:
    carriers, programs = "CA1", "CA2"
    wanted = {"to": SYNTHETIC_NUMBER, "from": CALLER}
    channels = {carriers: "phone", programs: "web"}
    async with office(nats_url, tmp_path) as there:
        of_carrier = token_in(await voice(there.web, CallSid=carriers))
        given = await there.web.client.post("/v1/media-tokens", json=wanted, headers=there.owner)
        async with (
            caller(there.running, of_carrier, carriers),
            caller(there.running, given.json()["token"], programs),
        ):
            started = await there.running.record.wait_for(CallStarted, 2)
            assert {body.carrier_call_id: body.channel for body in started} == channels
            assert await listed(there, "active", 2) == channels

        assert await listed(there, "ended", 2) == channels
        (rejected,) = await voice(there.web, CallSid="CA3", To="+15550999")
        assert rejected.tag == "Reject"
        (line,) = await there.billed("CA3", None, there.admin)
        assert line["channel"] == "phone"
