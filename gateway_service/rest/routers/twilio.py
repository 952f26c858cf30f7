"""Twilio's webhooks: a call comes in or its stream has ended, and what becomes of a call."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import parse_qsl

from fastapi import APIRouter, Request
from starlette.responses import Response

from gateway_service.rest.carrier_calls import Ring
from gateway_service.rest.dependencies import Rest, TheRest
from gateway_service.rest.errors import BadInput, Fault, Forged, NotOffered
from gateway_service.rest.twilio_signature import is_signed
from gateway_service.rest.twiml import MEDIA_TYPE, nothing, twiml

_PREFIX: Final = "/webhooks/twilio"
_CARRIER: Final = "twilio"
_NOBODY: Final = "anonymous"
_MOST_FIELDS: Final = 200
_LONGEST: Final = 128
_NOT_YET_ANSWERED: Final = frozenset({"", "queued", "initiated", "ringing"})
_NEVER_ANSWERED: Final = frozenset({"busy", "failed", "no-answer", "canceled"})
_OVER: Final = _NEVER_ANSWERED | {"completed"}

router = APIRouter(prefix=_PREFIX, tags=["webhooks"])


def _form(*fields: str) -> dict[str, Any]:
    schema = {
        "type": "object",
        "properties": {field: {"type": "string"} for field in fields},
        "required": [field for field in fields if field in ("CallSid", "To")],
    }
    return {
        "parameters": [
            {"name": "X-Twilio-Signature", "in": "header", "required": True, "schema": {"type": "string"}}
        ],
        "requestBody": {
            "required": True,
            "content": {"application/x-www-form-urlencoded": {"schema": schema}},
        },
    }


class _TwimlResponse(Response):
    media_type = MEDIA_TYPE


@router.post(
    "/voice", response_class=_TwimlResponse, openapi_extra=_form("CallSid", "To", "From", "CallStatus")
)
async def voice(request: Request, rest: TheRest) -> Response:
    """A call has come in, or its stream has ended: says in TwiML what to do with it."""
    fields, shown = await _signed(request, rest)
    ring = Ring(
        carrier_call_id=_field(fields, "CallSid"),
        called=_field(fields, "To"),
        caller=fields.get("From") or _NOBODY,
        answered=fields.get("CallStatus", "") not in _NOT_YET_ANSWERED,
        repeats=shown,
    )
    instruction = await rest.carrier_calls.asked(ring)
    rest.webhooks.add(_CARRIER, instruction.verdict.value)
    return _TwimlResponse(twiml(instruction, f"{_base(request, rest)}{_PREFIX}/voice"))


@router.post("/status", response_class=_TwimlResponse, openapi_extra=_form("CallSid", "CallStatus"))
async def status(request: Request, rest: TheRest) -> Response:
    """What has become of a call. One that is over is not opened any more, whatever is asked afterwards."""
    fields, _ = await _signed(request, rest)
    call = _field(fields, "CallSid")
    became = fields.get("CallStatus")
    if became in _OVER:
        await rest.carrier_calls.over(call, never_answered=became in _NEVER_ANSWERED)
    rest.webhooks.add(_CARRIER, "status")
    return _TwimlResponse(nothing())


async def _signed(request: Request, rest: Rest) -> tuple[dict[str, str], str]:
    """The form's fields and the signature under them; raises NotOffered, Forged, or BadInput."""
    tokens = [one.strip() for one in rest.settings.rest_twilio_auth_token.get_secret_value().split(",")]
    if not any(tokens):
        raise NotOffered("no carrier is set up here", mend="set TRUNKLINE_REST_TWILIO_AUTH_TOKEN")
    query = f"?{request.url.query}" if request.url.query else ""
    url = f"{_base(request, rest)}{request.url.path}{query}"
    shown = request.headers.get("X-Twilio-Signature", "")
    try:
        text = (await request.body()).decode()
        fields = parse_qsl(text, keep_blank_values=True, max_num_fields=_MOST_FIELDS, errors="strict")
    except ValueError:
        fields = None
    if fields is None or not is_signed([one for one in tokens if one], url, fields, shown):
        rest.webhooks.add(_CARRIER, "forged")
        raise Forged
    return dict(fields), shown


def _base(request: Request, rest: Rest) -> str:
    """This process as the carrier sees it: proxies may have changed what the request says."""
    return (rest.settings.rest_public_url or str(request.base_url)).rstrip("/")


def _field(fields: dict[str, str], name: str) -> str:
    value = fields.get(name, "")
    if not 0 < len(value) <= _LONGEST:
        raise BadInput((Fault(f"form.{name}", f"needs 1 to {_LONGEST} characters"),))
    return value
