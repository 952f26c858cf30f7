"""What Twilio reads, parsed by another parser than the one that wrote it."""

from datetime import UTC, datetime
from typing import Any
from xml.dom.minidom import parseString

import pytest

from gateway_service.rest.carrier_calls import Instruction, Verdict
from gateway_service.rest.media_passes import Pass
from gateway_service.rest.twiml import nothing, twiml

BACK = "https://voice.example.com/webhooks/twilio/voice"
PASS = Pass(
    token="a.b.c",
    url='wss://media.example.com/media/twilio?a=1&b="<',
    call="01997d1e-0000-7000-8000-000000000001",
    expires_at=datetime(2026, 1, 1, tzinfo=UTC),
)


def verbs(document: bytes) -> list[Any]:
    response = parseString(document).documentElement
    assert response is not None
    assert response.tagName == "Response"
    return list(response.childNodes)


def test_a_leg_is_brought_with_its_token_and_then_asked_about_again() -> None:
    connect, redirect = verbs(twiml(Instruction(Verdict.STREAM, PASS), BACK))
    (stream,) = connect.childNodes
    (parameter,) = stream.childNodes
    assert (connect.tagName, stream.tagName) == ("Connect", "Stream")
    assert stream.getAttribute("url") == PASS.url
    assert (parameter.getAttribute("name"), parameter.getAttribute("value")) == ("token", "a.b.c")
    assert (redirect.tagName, redirect.getAttribute("method")) == ("Redirect", "POST")
    assert redirect.firstChild.data == BACK


@pytest.mark.parametrize(("verdict", "reason"), [(Verdict.BUSY, "busy"), (Verdict.REJECTED, "rejected")])
def test_a_refusal_is_the_first_verb_and_the_only_one(verdict: Verdict, reason: str) -> None:
    (reject,) = verbs(twiml(Instruction(verdict), BACK))
    assert (reject.tagName, reject.getAttribute("reason")) == ("Reject", reason)


def test_a_call_that_is_over_is_hung_up() -> None:
    (hang_up,) = verbs(twiml(Instruction(Verdict.HANG_UP), BACK))
    assert hang_up.tagName == "Hangup"


def test_a_call_nobody_can_say_anything_about_is_asked_about_in_a_moment() -> None:
    pause, redirect = verbs(twiml(Instruction(Verdict.WAIT), BACK))
    assert (pause.tagName, pause.getAttribute("length")) == ("Pause", "1")
    assert redirect.firstChild.data == BACK


def test_nothing_is_an_empty_response() -> None:
    assert verbs(nothing()) == []
