"""What people ask about live calls through REST: a page of them, how many there are, and the end of one."""

from __future__ import annotations

from contracts.messages import (
    ActiveCall,
    CallCounts,
    CountCalls,
    CountedCalls,
    EndCall,
    EndCallReply,
    EndReason,
    ListLiveCalls,
    LiveCall,
    LiveCalls,
    NumberSnapshot,
    Occupancy,
)
from session_service.admission import Admission
from session_service.errors import UnknownCall
from session_service.lifecycle import Lifecycle


class Inquiries:
    """Answers from the table of active calls. Another tenant's than the one asked for are not there."""

    def __init__(self, lifecycle: Lifecycle, admission: Admission) -> None:
        self._lifecycle = lifecycle
        self._admission = admission

    async def calls(self, asked: ListLiveCalls) -> LiveCalls:
        """rpc.session.calls."""
        found = sorted(
            (call for call in self._lifecycle.active(asked.tenant) if _fits(call, asked)),
            key=lambda call: call.call,
        )
        page = found[: asked.limit]
        cursor = page[-1].call if len(found) > len(page) else None
        return LiveCalls(items=tuple(map(_seen, page)), next=cursor)

    async def counts(self, asked: CountCalls) -> CountedCalls:
        """rpc.session.counts."""
        held, every = self._admission.held, list(self._admission.numbers.values())
        ours = [one for one in every if asked.tenant in (None, one.tenant)]
        shown = [one for one in ours if asked.tenant is not None or held(number=one.number)]
        platform = Occupancy(held=held(), limit=self._admission.max_calls or None)
        return CountedCalls(
            counts=CallCounts(
                platform=platform if asked.tenant is None else None,
                tenants={one.tenant: self._of_tenant(one) for one in ours},
                numbers={one.number: self._of_number(one) for one in shown},
            )
        )

    async def end(self, asked: EndCall) -> EndCallReply:
        """rpc.session.end; raises UnknownCall."""
        if all(call.call != asked.call for call in self._lifecycle.active(asked.tenant)):
            raise UnknownCall(
                f"there is no active call {asked.call!r}", mend="it may be over; list the calls"
            )
        await self._lifecycle.force_end(asked.call, EndReason.COMMANDED)
        return EndCallReply()

    def _of_tenant(self, number: NumberSnapshot) -> Occupancy:
        return Occupancy(
            held=self._admission.held(tenant=number.tenant),
            limit=number.tenant_max_concurrent_calls,
            inbound_reserve=number.tenant_inbound_reserve,
        )

    def _of_number(self, number: NumberSnapshot) -> Occupancy:
        return Occupancy(held=self._admission.held(number=number.number), limit=number.max_concurrent_calls)


def _fits(call: ActiveCall, asked: ListLiveCalls) -> bool:
    if asked.after is not None and call.call <= asked.after:
        return False
    if asked.carrier_call_id not in (None, call.carrier_call_id):
        return False
    return asked.number in (None, call.number) and asked.call in (None, call.call)


def _seen(call: ActiveCall) -> LiveCall:
    return LiveCall(
        call=call.call,
        tenant=call.tenant,
        number=call.number,
        caller=call.caller,
        carrier_call_id=call.carrier_call_id,
        started_us=call.started_us,
        gateway=call.gateway,
        assistant=call.assistant.id,
        language=call.assistant.language,
        detached_us=call.detached_us,
    )
