"""Instructions in Twilio's words.

Written from https://www.twilio.com/docs/voice/twiml. `<Reject>` counts only as the first verb, and only for
a call that was not answered; after `<Connect>` Twilio goes on with the next verb when the stream has ended.
"""

from __future__ import annotations

from typing import Final
from xml.etree.ElementTree import Element, SubElement, tostring  # builds only; nothing is parsed

from gateway_service.rest.carrier_calls import Instruction, Verdict

MEDIA_TYPE: Final = "application/xml"
_REASONS: Final = {Verdict.BUSY: "busy", Verdict.REJECTED: "rejected"}
_WAIT_S: Final = "1"


def twiml(instruction: Instruction, ask_again_at: str) -> bytes:
    """The document that says so; `ask_again_at` is where Twilio goes on afterwards."""
    response = Element("Response")
    match instruction.verdict:
        case Verdict.STREAM:
            assert instruction.pass_ is not None
            stream = SubElement(SubElement(response, "Connect"), "Stream", {"url": instruction.pass_.url})
            SubElement(stream, "Parameter", {"name": "token", "value": instruction.pass_.token})
            _redirect(response, ask_again_at)
        case Verdict.WAIT:
            SubElement(response, "Pause", {"length": _WAIT_S})
            _redirect(response, ask_again_at)
        case Verdict.HANG_UP:
            SubElement(response, "Hangup")
        case Verdict.BUSY | Verdict.REJECTED as verdict:
            SubElement(response, "Reject", {"reason": _REASONS[verdict]})
    return _document(response)


def nothing() -> bytes:
    """Nothing is to be done."""
    return _document(Element("Response"))


def _document(response: Element) -> bytes:
    return bytes(tostring(response, encoding="utf-8", xml_declaration=True))


def _redirect(response: Element, url: str) -> None:
    SubElement(response, "Redirect", {"method": "POST"}).text = url
