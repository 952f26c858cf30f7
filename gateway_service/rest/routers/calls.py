"""`/v1/calls`: the live ones, as session holds them, and those of the record, as analytics tells them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, BeforeValidator

from contracts import messages as m
from contracts.channels import ANALYTICS_CALLS, ANALYTICS_TRANSCRIPT, SESSION_CALLS, SESSION_END
from contracts.identities import CallId, PhoneNumber
from contracts.messages.access import PageSize
from contracts.messages.base import Micros
from gateway_service.rest.asking import Asking
from gateway_service.rest.dependencies import Ask, IdempotencyKey, TheRest
from gateway_service.rest.errors import NotFound
from gateway_service.rest.json_route import JsonRoute
from gateway_service.rest.shapes import Items, link_to

router = APIRouter(prefix="/v1/calls", tags=["calls"], route_class=JsonRoute)

Outcome = Literal["completed", "dropped", "rejected"]
Channel = Literal["phone", "web", ""]


class CallState(StrEnum):
    """Whether a call goes on."""

    ACTIVE = "active"
    ENDED = "ended"


class CallView(BaseModel):
    """A call. `record` is what the record tells of it once it is over.

    `channel` is `phone` for a carrier's call and `web` for a program's; empty where the record does not know.
    `cost` is that so far while the call goes on, then that of the whole; null where minutes are not charged.
    """

    id: CallId
    tenant: str
    state: CallState
    number: str
    caller: str
    carrier_call_id: str
    channel: Channel
    assistant: str
    language: str
    started_us: Micros
    cost: m.CallCost | None = None
    record: m.CallRecord | None = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which calls."""

    state: CallState
    number: str | None
    outcome: Outcome | None
    after: str | None
    limit: int


def _with_plus(number: object) -> object:
    """A plus that was not written as %2B arrives as a space."""
    return f"+{number[1:]}" if isinstance(number, str) and number.startswith(" ") else number


def wanted(
    state: CallState = CallState.ENDED,
    *,
    number: Annotated[
        PhoneNumber | None, BeforeValidator(_with_plus), Query(description="only calls to this number")
    ] = None,
    outcome: Annotated[Outcome | None, Query(description="of those that have ended, how")] = None,
    after: Annotated[CallId | None, Query(description="`next` of the page before")] = None,
    limit: PageSize = 50,
) -> Wanted:
    """The calls that the query names."""
    return Wanted(state, number, outcome, after, limit)


@router.get("")
async def list_calls(
    ask: Ask, request: Request, wanted: Annotated[Wanted, Depends(wanted)]
) -> Items[CallView]:
    """Calls that go on, the oldest first, or calls that have ended, the newest first."""
    page = await (_active(ask, wanted) if wanted.state is CallState.ACTIVE else _ended(ask, wanted))
    link_to(request, page.next)
    return page


async def _active(ask: Asking, wanted: Wanted) -> Items[CallView]:
    tenant = ask.whose
    if wanted.outcome is not None:  # it has none yet
        return Items(items=())
    asked = m.ListLiveCalls(tenant=tenant, number=wanted.number, after=wanted.after, limit=wanted.limit)
    reply = await ask.services.ask(SESSION_CALLS, m.LiveCalls, asked)
    return Items(items=tuple(map(_live, reply.items)), next=reply.next)


async def _ended(ask: Asking, wanted: Wanted) -> Items[CallView]:
    asked = m.ListCalls(
        tenant=ask.whose,
        number=wanted.number,
        outcome=wanted.outcome,
        over=True,
        after=wanted.after,
        limit=wanted.limit,
    )
    reply = await ask.services.ask(ANALYTICS_CALLS, m.CallRecords, asked)
    return Items(items=tuple(map(_past, reply.items)), next=reply.next)


@router.get("/{id}")
async def get_call(id: CallId, ask: Ask) -> CallView:  # noqa: A002  # what it is called in the path
    """One call. About a second passes between its end and its place in the record."""
    tenant = ask.whose
    held = await ask.services.ask(SESSION_CALLS, m.LiveCalls, m.ListLiveCalls(tenant=tenant, call=id))
    if held.items:
        return _live(held.items[0])
    kept = await ask.services.ask(ANALYTICS_CALLS, m.CallRecords, m.ListCalls(tenant=tenant, call=id))
    if not kept.items:
        raise NotFound("call", id)
    return _past(kept.items[0])


@router.get("/{id}/transcript")
async def get_transcript(
    id: CallId,  # noqa: A002
    ask: Ask,
    request: Request,
    after: Annotated[
        str | None, Query(pattern=r"^[0-9]{1,7}$", description="`next` of the page before")
    ] = None,
    limit: PageSize = 50,
) -> Items[m.TranscriptLine]:
    """What was said, as far as the record has it: also while the call goes on."""
    asked = m.GetTranscript(tenant=ask.whose, call=id, after=after, limit=limit)
    reply = await ask.services.ask(ANALYTICS_TRANSCRIPT, m.Transcript, asked)
    link_to(request, reply.next)
    return Items(items=reply.items, next=reply.next)


@router.post("/{id}/end", status_code=202)
async def end_call(
    id: CallId,  # noqa: A002
    ask: Ask,
    rest: TheRest,
    idempotency_key: IdempotencyKey = None,
) -> CallView:
    """Have the call hung up; it is over once it is no longer listed as active."""
    ask.needs(m.MemberRole.SUPERVISOR)
    asked = ("calls/end", ask.tenant or "", id)
    return await rest.repetitions.once(
        ask.principal, idempotency_key, asked, CallView, partial(_end, id, ask)
    )


async def _end(call: str, ask: Asking) -> CallView:
    view = await _held(call, ask)
    await ask.services.ask(SESSION_END, m.EndCallReply, m.EndCall(tenant=ask.whose, call=call))
    return view


async def _held(call: str, ask: Asking) -> CallView:
    asked = m.ListLiveCalls(tenant=ask.whose, call=call)
    held = await ask.services.ask(SESSION_CALLS, m.LiveCalls, asked)
    if not held.items:
        raise NotFound("active call", call)
    return _live(held.items[0])


def _live(call: m.LiveCall) -> CallView:
    return CallView(
        id=call.call,
        tenant=call.tenant,
        state=CallState.ACTIVE,
        number=call.number,
        caller=call.caller,
        carrier_call_id=call.carrier_call_id,
        channel=call.channel.value,
        assistant=call.assistant,
        language=call.language,
        started_us=call.started_us,
        cost=call.cost,
    )


def _past(call: m.CallRecord) -> CallView:
    return CallView(
        id=call.call,
        tenant=call.tenant,
        state=CallState.ACTIVE if call.outcome == "active" else CallState.ENDED,
        number=call.called,
        caller=call.caller,
        carrier_call_id=call.carrier_call_id,
        channel=call.channel,
        assistant=call.assistant,
        language=call.language,
        started_us=call.started_us,
        cost=_cost(call),
        record=call,
    )


def _cost(call: m.CallRecord) -> m.CallCost | None:
    if call.cost_micros is None:
        return None
    return m.CallCost(amount_micros=call.cost_micros, currency=call.currency, billed_s=call.billed_s or 0)
