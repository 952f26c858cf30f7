"""Every refusal as a problem: RFC 9457, with our code and the mend beside its own members."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route

from contracts.errors import ErrorCode, TrunklineError
from contracts.messages import WireError
from gateway_service.rest.errors import Answered, BadInput, Fault, NotJson, TooManyRequests
from gateway_service.rest.routers import ROUTERS
from runtime.errors import MessageTooLarge

PROBLEM_JSON: Final = "application/problem+json"
_RETRY_AFTER_S: Final = "1"
_CHALLENGE: Final = 'Bearer realm="trunkline"'
_MOST_FAULTS: Final = 20
_DESCRIPTION: Final = "see the API's description, /v1/openapi.json"
_RAISED: Final = "Value error, "  # pydantic's own prefix to what our validators say
_CODES: Final = {404: ErrorCode.NOT_FOUND, 413: ErrorCode.MESSAGE_TOO_LARGE}


class FaultView(BaseModel):
    """What is wrong at one place of the request."""

    at: str = Field(examples=["body.override.greting"])
    message: str


class Problem(BaseModel):
    """Why a request was refused (RFC 9457). `mend` says what to do; `instance` is in our log."""

    type: str = Field(examples=["urn:trunkline:problem:not_found"])
    title: str
    status: int
    detail: str
    instance: str
    code: ErrorCode
    mend: str
    retryable: bool
    errors: tuple[FaultView, ...] = ()


class ProblemResponse(Response):
    """A problem on its way out."""

    media_type = PROBLEM_JSON

    def __init__(
        self,
        wire: WireError,
        request_id: str,
        faults: tuple[Fault, ...] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        body: dict[str, Any] = {
            "type": f"urn:trunkline:problem:{wire.code}",
            "title": HTTPStatus(wire.status).phrase,
            "status": wire.status,
            "detail": wire.message,
            "instance": f"urn:trunkline:request:{request_id}",
            "code": wire.code,
            "mend": wire.mend,
            "retryable": wire.retryable,
        }
        if faults:
            body["errors"] = [{"at": fault.at, "message": fault.message} for fault in faults]
        super().__init__(json.dumps(body), wire.status, {**_standing(wire), **(headers or {})})


def _standing(wire: WireError) -> dict[str, str]:
    """Headers that belong to the status."""
    if wire.status == 401:
        return {"WWW-Authenticate": _CHALLENGE}
    return {"Retry-After": _RETRY_AFTER_S} if wire.status == 503 else {}


def problem_of(error: TrunklineError, request_id: str) -> ProblemResponse:
    """Any error of ours."""
    match error:
        case Answered():
            return ProblemResponse(_passable(error.wire), request_id)
        case BadInput():
            return ProblemResponse(WireError.of(error), request_id, error.faults)
        case TooManyRequests():
            after = {"Retry-After": str(max(1, math.ceil(error.after_s)))}
            return ProblemResponse(WireError.of(error), request_id, headers=after)
        case MessageTooLarge():
            return ProblemResponse(WireError.of(error, status=413), request_id)
    return ProblemResponse(WireError.of(error), request_id)


async def on_error(request: Request, error: Exception) -> Response:
    """The answer to an error of ours."""
    assert isinstance(error, TrunklineError)
    return problem_of(error, request.state.request_id)


async def on_http_exception(request: Request, error: Exception) -> Response:
    """The answer to what the framework refuses: no such path, no such method, a body that is no body."""
    assert isinstance(error, HTTPException)
    code = _CODES.get(error.status_code, ErrorCode.BAD_MESSAGE)
    detail, mend, headers = str(error.detail), _DESCRIPTION, error.headers
    if error.status_code == 404:
        detail = "nothing is served at this address"
    elif error.status_code == 405:
        taken = ", ".join(_methods_here(request))
        detail, mend, headers = "this address does not take the method", f"use {taken}", {"Allow": taken}
    wire = WireError(code=code, message=detail, mend=mend, status=error.status_code)
    return ProblemResponse(wire, request.state.request_id, headers=headers)


def _methods_here(request: Request) -> list[str]:
    """What the address takes, by all its routes: the framework names only those of the first."""
    return sorted(
        method
        for router in ROUTERS
        for route in router.routes
        if isinstance(route, Route) and route.matches(request.scope)[0] is not Match.NONE
        for method in route.methods or ()
    )


async def on_invalid(request: Request, error: Exception) -> Response:
    """The answer to what does not fit: each fault by its place, never with what was sent there."""
    assert isinstance(error, RequestValidationError)
    faults = error.errors()
    unread = any(fault["loc"] == ("body",) and fault["type"] != "value_error" for fault in faults)
    if unread and not _is_json(request):
        return problem_of(NotJson(), request.state.request_id)
    unknown_first = sorted(faults, key=lambda fault: fault["type"] != "extra_forbidden")
    places = tuple(_fault(fault) for fault in unknown_first[:_MOST_FAULTS])
    return problem_of(BadInput(places), request.state.request_id)


def _passable(wire: WireError) -> WireError:
    """A status that a service gives and HTTP has no phrase for becomes the plain one of its class."""
    try:
        HTTPStatus(wire.status)
    except ValueError:
        return wire.model_copy(update={"status": wire.status // 100 * 100})
    return wire


def _fault(fault: dict[str, Any]) -> Fault:
    """The framework's finding in our words, without what was sent."""
    place = ".".join(str(part) for part in fault["loc"])[:200]
    match fault["type"]:
        case "json_invalid":  # the place is a character of the text
            return Fault("body", f"not JSON, from character {fault['loc'][-1]}")
        case "extra_forbidden":
            return Fault(place, f"there is no field {str(fault['loc'][-1])[:80]!r}")
    return Fault(place, str(fault["msg"]).removeprefix(_RAISED))


def _is_json(request: Request) -> bool:
    given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    return not given or given == "application/json" or given.endswith("+json")
