"""What people ask about live calls through REST: a page of them, how many there are, and the end of one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from contracts.messages import (
    ActiveCall,
    CountCalls,
    CountedCalls,
    EndCall,
    EndCallReply,
    EndReason,
    ListLiveCalls,
    LiveCall,
    LiveCalls,
)
from runtime.clock import Clock
from session_service.admission import Admission
from session_service.errors import UnknownCall
from session_service.lifecycle import Lifecycle
from session_service.pricing import cost_of


class Inquiries:
    """Answers from the table of active calls. Another tenant's than the one asked for are not there."""

    def __init__(
        self,
        lifecycle: Lifecycle,
        admission: Admission,
        leading: Callable[[], Awaitable[None]],
        clock: Clock,
    ) -> None:
        self._lifecycle = lifecycle
        self._admission = admission
        self._leading = leading
        self._clock = clock

    async def calls(self, asked: ListLiveCalls) -> LiveCalls:
        """rpc.session.calls."""
        await self._leading()
        found = sorted(
            (call for call in self._lifecycle.active(asked.tenant) if _fits(call, asked)),
            key=lambda call: call.call,
        )
        page = found[: asked.limit]
        cursor = page[-1].call if len(found) > len(page) else None
        now_us = self._clock.now_us()
        return LiveCalls(items=tuple(_seen(call, now_us) for call in page), next=cursor)

    async def counts(self, asked: CountCalls) -> CountedCalls:
        """rpc.session.counts."""
        await self._leading()
        return CountedCalls(counts=self._admission.counts(asked.tenant))

    async def end(self, asked: EndCall) -> EndCallReply:
        """rpc.session.end; raises UnknownCall."""
        await self._leading()
        if all(call.call != asked.call for call in self._lifecycle.active(asked.tenant)):
            raise UnknownCall(
                f"there is no active call {asked.call!r}", mend="it may be over; list the calls"
            )
        await self._lifecycle.force_end(asked.call, EndReason.COMMANDED)
        return EndCallReply()


def _fits(call: ActiveCall, asked: ListLiveCalls) -> bool:
    if asked.after is not None and call.call <= asked.after:
        return False
    if asked.carrier_call_id not in (None, call.carrier_call_id):
        return False
    return asked.number in (None, call.number) and asked.call in (None, call.call)


def _seen(call: ActiveCall, now_us: int) -> LiveCall:
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
        channel=call.channel,
        answered_us=call.answered_us,
        cost=cost_of(call, now_us),
    )
