"""Who may bring a leg: tokens from REST and from Twilio's webhook, shown at the real media socket."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import httpx
import pytest
from twilio.request_validator import RequestValidator

from contracts.messages import CallEnded, CallRejected, CallStarted, EndReason
from contracts.telemetry import WEBHOOKS
from runtime.clock import SystemClock
from tests.support.platform import SYNTHETIC_NUMBER, Platform, platform
from tests.support.web import Web, key_of, rest_beside
from trunkline.caller import Caller, Dialling
from trunkline.errors import CallRefused

AUTH_TOKEN = "0123456789abcdef0123456789abcdef"
PUBLIC = "https://voice.example.com"
SID = "CA00000000000000000000000000000001"
TENANT = "load-lab"
CALLER = "+15550142"


@asynccontextmanager
async def reached(
    nats_url: str, folder: Path, rest: dict[str, Any] | None = None, **settings: Any
) -> AsyncIterator[tuple[Platform, Web]]:
    """A platform that takes nobody without a token, and its REST, set up as `rest` says."""
    shut = {"gateway_open_loopback": False, **settings}
    async with (
        platform(nats_url, folder, settings=shut) as running,
        rest_beside(
            nats_url,
            folder,
            rest_media_url=running.url,
            rest_public_url=PUBLIC,
            rest_twilio_auth_token=f"old-one,{AUTH_TOKEN}",
            **(rest or {}),
        ) as web,
    ):
        yield running, web


def caller(running: Platform, token: str, sid: str = SID) -> Caller:
    dialling = Dialling(running.url, "", "", sid, token=token)
    return Caller(dialling, SystemClock(), keep_audio=False, reattach_within_s=0)


async def posted(web: Web, path: str, *, signed_with: str = AUTH_TOKEN, **fields: str) -> httpx.Response:
    form = {"CallSid": SID, "To": SYNTHETIC_NUMBER, "From": CALLER, "CallStatus": "ringing", **fields}
    shown = RequestValidator(signed_with).compute_signature(f"{PUBLIC}{path}", form)
    return await web.client.post(path, data=form, headers={"X-Twilio-Signature": shown})


async def voice(web: Web, **fields: Any) -> ET.Element:
    response = await posted(web, "/webhooks/twilio/voice", **fields)
    assert response.status_code == 200, response.text
    assert response.headers["content-type"].startswith("application/xml")
    return ET.fromstring(response.content)


def the(answer: ET.Element, path: str) -> ET.Element:
    found = answer.find(path)
    assert found is not None
    return found


def token_in(answer: ET.Element) -> str:
    assert [verb.tag for verb in answer] == ["Connect", "Redirect"]
    return the(answer, "Connect/Stream/Parameter").attrib["value"]


def webhooks(web: Web) -> dict[tuple[str, ...], int]:
    return dict(web.context.metrics.counter(WEBHOOKS).counts)


async def test_a_tenants_program_brings_a_caller(nats_url: str, tmp_path: Path) -> None:
    async with reached(nats_url, tmp_path) as (running, web):
        key = await key_of(running.bus, TENANT)
        wanted = {"to": SYNTHETIC_NUMBER, "from": CALLER}

        response = await web.client.post("/v1/media-tokens", json=wanted, headers=key)

        assert response.status_code == 201, response.text
        given = response.json()
        assert given["url"] == running.url
        async with caller(running, given["token"]):
            (started,) = await running.record.wait_for(CallStarted)
            assert (started.called, started.caller) == (SYNTHETIC_NUMBER, CALLER)
            assert (await running.only_call()).call == given["call"]

            again = await web.client.post("/v1/media-tokens", json={"call": given["call"]}, headers=key)
            assert again.status_code == 201
            assert again.json()["call"] == given["call"]
            with pytest.raises(CallRefused) as caught:
                async with caller(running, again.json()["token"], "CA2") as second:
                    await second.until(lambda: False, 10)
            assert caught.value.close_code == 1008


A_CALL = "01997d1e-0000-7000-8000-000000000001"


async def test_who_may_not_is_given_no_token(nats_url: str, tmp_path: Path) -> None:
    async with reached(nats_url, tmp_path) as (running, web):
        own, admin = await key_of(running.bus, TENANT), await key_of(running.bus, None)
        for body, key, status in (
            ({"to": "+15550100", "from": CALLER}, own, 404),
            ({"to": "+15550999", "from": CALLER}, own, 404),
            ({"to": "+15550100", "from": CALLER}, admin, 201),
            ({"to": SYNTHETIC_NUMBER, "from": CALLER}, {}, 401),
            ({"to": SYNTHETIC_NUMBER}, own, 422),
            ({"call": A_CALL}, own, 404),
            ({"call": "x"}, own, 422),
            ({"to": SYNTHETIC_NUMBER, "from": CALLER, "call": A_CALL}, admin, 422),
            ({"to": SYNTHETIC_NUMBER, "from": "x" * 65}, own, 422),
        ):
            response = await web.client.post("/v1/media-tokens", json=body, headers=key)
            assert response.status_code == status, (body, response.text)


async def test_another_tenants_call_is_not_there(nats_url: str, tmp_path: Path) -> None:
    async with reached(nats_url, tmp_path) as (running, web):
        admin = await key_of(running.bus, None)
        wanted = {"to": SYNTHETIC_NUMBER, "from": CALLER}
        given = (await web.client.post("/v1/media-tokens", json=wanted, headers=admin)).json()
        async with caller(running, given["token"]):
            await running.record.wait_for(CallStarted)
            other = await key_of(running.bus, "bright-smile")
            asked = {"call": given["call"]}
            assert (await web.client.post("/v1/media-tokens", json=asked, headers=other)).status_code == 404
            assert (await web.client.post("/v1/media-tokens", json=asked, headers=admin)).status_code == 201


async def test_a_call_of_twilio_from_its_webhook_to_its_end(nats_url: str, tmp_path: Path) -> None:
    async with reached(nats_url, tmp_path) as (running, web):
        answer = await voice(web)
        token = token_in(answer)
        assert the(answer, "Connect/Stream").attrib["url"] == running.url
        assert the(answer, "Redirect").text == f"{PUBLIC}/webhooks/twilio/voice"
        (reserved,) = (await running.active_calls()).calls
        assert (reserved.carrier_call_id, reserved.number) == (SID, SYNTHETIC_NUMBER)

        assert token_in(await voice(web)) == token
        assert len((await running.active_calls()).calls) == 1

        async with caller(running, token):
            (started,) = await running.record.wait_for(CallStarted)
            assert (started.called, started.caller, started.carrier_call_id) == (
                SYNTHETIC_NUMBER,
                CALLER,
                SID,
            )
            assert (await running.only_call()).call == reserved.call
        (ended,) = await running.record.wait_for(CallEnded)
        assert ended.reason is EndReason.CALLER_HUNG_UP

        for status in ("in-progress", "ringing"):
            assert [verb.tag for verb in await voice(web, CallStatus=status)] == ["Hangup"]
        assert (await running.active_calls()).calls == ()
        assert webhooks(web) == {("twilio", "stream"): 2, ("twilio", "hang_up"): 2}


async def test_what_the_session_refuses_is_rejected_before_answer(nats_url: str, tmp_path: Path) -> None:
    async with reached(nats_url, tmp_path) as (running, web):
        (reject,) = await voice(web, To="+15550999")
        assert (reject.tag, reject.attrib) == ("Reject", {"reason": "rejected"})
        await running.record.wait_for(CallRejected)
        assert (await running.active_calls()).calls == ()


async def test_what_twilio_did_not_sign_is_refused(nats_url: str, tmp_path: Path) -> None:
    path = "/webhooks/twilio/voice"
    form = {"CallSid": SID, "To": SYNTHETIC_NUMBER, "From": CALLER}
    good = RequestValidator(AUTH_TOKEN).compute_signature(f"{PUBLIC}{path}", form)
    async with reached(nats_url, tmp_path) as (running, web):
        refused = [
            await web.client.post(path, data=form),
            await web.client.post(path, data=form, headers={"X-Twilio-Signature": "junk"}),
            await web.client.post(path, data={**form, "To": "+1"}, headers={"X-Twilio-Signature": good}),
            await web.client.post(f"{path}?x=1", data=form, headers={"X-Twilio-Signature": good}),
            await web.client.post(path, content=b"\xff\xfe=%ff", headers={"X-Twilio-Signature": good}),
            await web.client.post(path, content=b"a=1&" * 500, headers={"X-Twilio-Signature": good}),
            await posted(web, path, signed_with="guess"),
        ]
        assert [one.status_code for one in refused] == [403] * 7
        assert (await running.active_calls()).calls == ()
        assert webhooks(web) == {("twilio", "forged"): 7}
        assert (await posted(web, path, signed_with="old-one", To="+15550999")).status_code == 200
        assert (await posted(web, path, CallSid="")).status_code == 422


async def test_a_call_that_twilio_gave_up_is_not_opened(nats_url: str, tmp_path: Path) -> None:
    async with reached(nats_url, tmp_path) as (running, web):
        response = await posted(web, "/webhooks/twilio/status", CallStatus="canceled")
        assert response.status_code == 200
        assert len(ET.fromstring(response.content)) == 0
        assert [verb.tag for verb in await voice(web)] == ["Hangup"]
        await voice(web, CallSid="CA2")
        assert len((await running.active_calls()).calls) == 1
        await posted(web, "/webhooks/twilio/status", CallSid="CA2", CallStatus="no-answer")
        assert (await running.active_calls()).calls == ()


async def test_without_a_session_twilio_is_told_that_the_line_is_busy(nats_url: str, tmp_path: Path) -> None:
    settings = {"rest_public_url": PUBLIC, "rest_twilio_auth_token": AUTH_TOKEN}
    async with rest_beside(nats_url, tmp_path, **settings) as web:
        (reject,) = await voice(web)
        assert (reject.tag, reject.attrib) == ("Reject", {"reason": "busy"})


async def test_without_a_carrier_there_is_no_webhook(nats_url: str, tmp_path: Path) -> None:
    async with rest_beside(nats_url, tmp_path) as web:
        response = await posted(web, "/webhooks/twilio/voice")
        assert response.status_code == 404
        assert "TRUNKLINE_REST_TWILIO_AUTH_TOKEN" in response.json()["mend"]


@pytest.mark.parametrize("token", [None, "e.y.J"])
async def test_without_a_token_nobody_is_taken(nats_url: str, tmp_path: Path, token: str | None) -> None:
    async with reached(nats_url, tmp_path) as (running, _):
        dialling = Dialling(running.url, SYNTHETIC_NUMBER, CALLER, SID, token=token)
        with pytest.raises(CallRefused) as caught:
            async with Caller(dialling, SystemClock(), reattach_within_s=0) as one:
                await one.until(lambda: False, 10)
        assert caught.value.close_code == 1008
        assert (await running.active_calls()).calls == ()
