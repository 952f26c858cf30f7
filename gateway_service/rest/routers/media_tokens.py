"""`POST /v1/media-tokens`: what a program needs to bring a caller's leg over the media socket."""

from __future__ import annotations

from functools import partial
from typing import Annotated

from fastapi import APIRouter
from pydantic import Field, model_validator

from contracts import messages as m
from contracts.channels import ROUTER_NUMBERS, SESSION_CALLS
from contracts.identities import CallId
from contracts.messages.tenancy import DialledNumber
from gateway_service.media_tokens import MAX_PARTY, MediaClaims
from gateway_service.rest.asking import Asking
from gateway_service.rest.dependencies import Ask, IdempotencyKey, TheRest
from gateway_service.rest.errors import NotFound
from gateway_service.rest.json_route import JsonRoute
from gateway_service.rest.media_passes import Pass
from gateway_service.rest.shapes import Body

router = APIRouter(prefix="/v1/media-tokens", tags=["media"], route_class=JsonRoute)


class PassWanted(Body):
    """A new call from `from` to the number `to`; or with `call` alone, one whose leg was lost."""

    to: DialledNumber | None = None
    from_: Annotated[
        str | None,
        Field(
            alias="from",
            min_length=1,
            max_length=MAX_PARTY,
            pattern=r"^[^\x00-\x1f\x7f]*$",
            description="who calls, as the record is to have it",
        ),
    ] = None
    call: CallId | None = None

    @model_validator(mode="after")
    def _a_new_call_or_one_that_goes_on(self) -> PassWanted:
        numbers = (self.to, self.from_)
        if (self.call is None) != all(numbers) or (self.call is not None and any(numbers)):
            raise ValueError("give to and from for a new call, or call alone for one that goes on")
        return self


@router.post("", status_code=201)
async def make_media_token(
    body: PassWanted, ask: Ask, rest: TheRest, idempotency_key: IdempotencyKey = None
) -> Pass:
    """Let a caller's leg in, for one call. Whether the call is answered is decided when the leg comes."""
    asked = ("media-tokens", ask.tenant or "", body.model_dump_json())
    claims = await rest.repetitions.once(
        ask.principal, idempotency_key, asked, MediaClaims, partial(_claims, body, ask, rest)
    )
    return rest.passes.pass_of(claims)


async def _claims(body: PassWanted, ask: Asking, rest: TheRest) -> MediaClaims:
    if body.call is not None:
        return await _again(body.call, ask, rest)
    assert body.to is not None
    assert body.from_ is not None
    number, tenant = await _called(body.to, ask, rest)
    return rest.passes.claims_for(rest.passes.new_call(), number, body.from_, tenant)


async def _called(written: str, ask: Asking, rest: TheRest) -> tuple[str, str | None]:
    """One's own number and its tenant. Router, and so SQL, is asked only where the call path knows none."""
    published = await rest.numbers.find(written)
    if published is not None and ask.sees(published.tenant):
        return published.number, published.tenant
    known = (await ask.router(ROUTER_NUMBERS, m.NumbersReply, m.GetNumber(number=written))).items[0]
    return known.number, known.tenant


async def _again(call: str, ask: Asking, rest: TheRest) -> MediaClaims:
    """A pass for a call of one's own that goes on. It is good for a leg only while the call waits for one."""
    wanted = m.ListLiveCalls(tenant=ask.whose, call=call)
    found = await ask.services.ask(SESSION_CALLS, m.LiveCalls, wanted)
    if not found.items:
        raise NotFound("call that goes on", call)
    one = found.items[0]
    return rest.passes.claims_for(one.call, one.number, one.caller, one.tenant)
