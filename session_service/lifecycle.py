"""A call from `open` to `ended`: slot, workers, record. Speaks to the world through its ports only."""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict

from contracts.errors import TrunklineError
from contracts.identities import PLATFORM_TENANT, CallRef
from contracts.messages import (
    ActiveCall,
    ActiveCalls,
    CallEnded,
    CallRejected,
    CallStarted,
    EndReason,
    LegEnded,
    ListActiveCalls,
    OpenCall,
    OpenCallReply,
    WireError,
)
from runtime.clock import Clock
from session_service.admission import Admission
from session_service.assigning import Assigner
from session_service.call import Call, restored
from session_service.errors import CallOver, NotRecorded, NoWorker, Refused
from session_service.ports import CallStore, Chronicle, Floor
from session_service.states import CallInput, CallState, next_state

log = logging.getLogger(__name__)

_REMEMBERED_ANSWERS = 4096
_LOOK_UPS_AT_ONCE = 64
_LEAVE_S = 5.0
_STOPPED = WireError.of(
    NoWorker("the session stopped while the call was opened", mend="call again"), status=NoWorker.status
)


class Lifecycle:
    """Opens calls, keeps the table of the active ones, ends each exactly once."""

    def __init__(
        self,
        admission: Admission,
        assigner: Assigner,
        *,
        store: CallStore,
        floor: Floor,
        chronicle: Chronicle,
        clock: Clock,
    ) -> None:
        self._admission = admission
        self._assigner = assigner
        self._store = store
        self._floor = floor
        self._chronicle = chronicle
        self._clock = clock
        self._calls: dict[str, Call] = {}
        self._answers: OrderedDict[str, OpenCallReply] = OrderedDict()

    def active(self, tenant: str | None = None) -> list[ActiveCall]:
        """The calls that hold slots, of one tenant or of all."""
        return [call.record() for call in self._live() if tenant in (None, call.snapshot.tenant)]

    def active_calls(self, request: ListActiveCalls) -> ActiveCalls:
        """The calls that hold slots, as asked for, and the slots beside their limits."""
        calls = (one for one in self.active(request.tenant) if request.number in (None, one.number))
        return ActiveCalls(calls=tuple(calls), counts=self._admission.counts(request.tenant, request.number))

    def gateways(self) -> set[str]:
        """The gateways that hold legs."""
        return {call.request.gateway for call in self._live()}

    def gateway_of(self, call_id: str) -> str | None:
        """The gateway that holds the leg of a call."""
        call = self._calls.get(call_id)
        return call.request.gateway if call else None

    async def open(self, request: OpenCall) -> OpenCallReply:
        """Admit and assign, or refuse. A repeated request gets the answer of the first."""
        if request.call in self._answers:
            return self._answers[request.call]
        known = self._calls.get(request.call)
        if known is not None and not known.uncertain:
            return await asyncio.shield(known.answer) if known.answer else known.accepted()
        try:
            call = self._reserve(request, known)
        except Refused as refusal:
            return await self._refuse(request, refusal)
        reply = OpenCallReply(error=_STOPPED)
        try:
            reply = await self._hand_out(call, known)
        except Refused as refusal:
            reply = await self._refuse(request, refusal, call.snapshot.tenant)
        finally:
            if call.answer is not None:
                call.answer.set_result(reply)
                call.answer = None
        return reply

    def _reserve(self, request: OpenCall, inherited: Call | None) -> Call:
        """Take the slot. A call that another leader was opening keeps its own, and is opened anew in a newer
        epoch: nobody knows which of its workers were asked.
        """
        snapshot = self._admission.look_up(request.called)
        self._admission.take_slot(request.call, snapshot, request.direction)
        call = Call(request, snapshot, self._clock.now_us())
        if inherited is not None:
            self._assigner.free(inherited)
            call.epoch = inherited.epoch + 1
        call.answer = asyncio.get_running_loop().create_future()
        self._calls[request.call] = call
        return call

    async def _hand_out(self, call: Call, inherited: Call | None) -> OpenCallReply:
        """Find workers and write the call down. Whatever comes in between, it is cleared up here alone."""
        try:
            if inherited is not None:
                await self._assigner.release(inherited)
            await self._assigner.assign(call, self._write_down)
            if call.state is not CallState.OPENING:
                raise CallOver("the call ended while it was opened", mend="call again")
        except BaseException:
            if call.state is CallState.OPENING:
                call.state = next_state(call.state, CallInput.NOBODY_TOOK_IT)
            self._free(call)
            await self._forget(call)
            raise
        call.state = next_state(call.state, CallInput.WORKERS_TOOK_IT)
        return call.accepted()

    async def _write_down(self, call: Call) -> None:
        try:
            await self._store.put(call.id, call.record())
        except TrunklineError as error:
            raise NotRecorded(
                f"the call could not be recorded: {error.message}", mend=error.mend, retryable=error.retryable
            ) from error

    async def _refuse(self, request: OpenCall, refusal: Refused, tenant: str | None = None) -> OpenCallReply:
        reply = self._remember(request.call, refusal)
        if tenant is None:
            known = self._admission.numbers.get(request.called.removeprefix("+"))
            tenant = known.tenant if known else PLATFORM_TENANT
        body = CallRejected(
            called=request.called,
            caller=request.caller,
            carrier_call_id=request.carrier_call_id,
            code=refusal.code,
            status=refusal.status,
            message=refusal.message,
        )
        try:
            await self._chronicle.rejected(CallRef(tenant, request.call), body)
        except TrunklineError as error:
            log.error("the refusal of %s is not in the record: %s", request.call, error)
        return reply

    async def leg_ended(self, ref: CallRef, reason: EndReason, detail: str = "") -> None:
        """The gateway says that the leg is gone; a second time changes nothing."""
        call = self._calls.get(ref.call)
        if call is not None and call.ref == ref:
            await self._end(call, CallInput.LEG_ENDED, reason, detail)

    async def gateway_lost(self, gateway: str) -> None:
        """End every call whose leg that gateway held."""
        for call in [call for call in self._live() if call.request.gateway == gateway]:
            await self._end(
                call, CallInput.GATEWAY_LOST, EndReason.GATEWAY_LOST, f"{gateway} sends no heartbeat"
            )

    async def force_end(self, call_id: str, reason: EndReason) -> None:
        """Have the leg hung up; where the gateway does not answer or does not do it, end the call anyway."""
        call = self._calls.get(call_id)
        if call is None or call.state is not CallState.ACTIVE:
            return None
        now_s = self._clock.monotonic_s()
        if call.hang_up_asked_s is None:
            call.hang_up_asked_s = now_s
        elif now_s - call.hang_up_asked_s >= _LEAVE_S:
            return await self.leg_ended(call.ref, reason, "the gateway did not end the leg")
        try:
            await self._floor.hang_up(call.ref, reason)
        except TrunklineError as error:
            log.warning("the leg of %s could not be hung up: %s", call_id, error)
            await self.leg_ended(call.ref, reason, "the gateway did not answer")

    async def end_unanswered(self, after_s: float) -> None:
        """Force-end the calls opened so long ago whose leg, says the record, was never answered.

        A gateway that lost patience, or the answer of `open`, knows nothing of the call that it has.
        """
        before_us = self._clock.now_us() - round(after_s * 1_000_000)
        for call in [call for call in self._live() if not call.answered and call.started_us <= before_us]:
            if call.state is CallState.ACTIVE and not await self._learn(call):
                await self.force_end(call.id, EndReason.GHOST)

    async def restore(self) -> None:
        """Take up the calls that KV holds; `catch_up` is to follow once their events are heard."""
        for call_id, record in (await self._store.all()).items():
            self._admission.restore(record)
            call = self._calls[call_id] = restored(record, self._admission.numbers)
            self._assigner.hold(call)

    async def catch_up(self) -> None:
        """Learn from the record what became of each call while its events could not be heard."""
        at_once = asyncio.Semaphore(_LOOK_UPS_AT_ONCE)

        async def learn(call: Call) -> None:
            async with at_once:
                if call.state is CallState.ACTIVE:
                    await self._learn(call)

        await asyncio.gather(*(learn(call) for call in self._live()))

    async def _learn(self, call: Call) -> bool:
        """Whether the record knew something of the call, on which we then acted."""
        word = await self._chronicle.last_word(call.ref)
        if isinstance(word, CallStarted):
            call.answered = True
        elif isinstance(word, LegEnded):
            await self._end(call, CallInput.LEG_ENDED, word.reason, word.detail)
        elif word is not None and call.state is CallState.ACTIVE:
            # It was said before a restart, which came before the rest was done.
            call.state = next_state(call.state, CallInput.LEG_ENDED)
            self._remember(call.id, _over())
            self._free(call)
            await self._forget(call)
        return word is not None

    async def _end(self, call: Call, happened: CallInput, reason: EndReason, detail: str) -> None:
        """End a call once; one that is being opened is only marked, and cleared up by who opens it."""
        if call.state is CallState.ENDED:
            return
        was_active = call.state is CallState.ACTIVE
        call.state = next_state(call.state, happened)
        if not was_active:
            return
        self._free(call)
        self._remember(call.id, _over())
        ended_us = self._clock.now_us()
        body = CallEnded(
            reason=reason,
            detail=detail,
            started_us=call.started_us,
            ended_us=ended_us,
            duration_ms=max(0, ended_us - call.started_us) / 1000,
        )
        try:
            await self._chronicle.ended(call.ref, body)
        finally:
            await self._forget(call)

    def _free(self, call: Call) -> None:
        """Give back the slot and the workers' room first: whatever fails afterwards, they do not leak."""
        self._admission.free_slot(call.id)
        self._assigner.free(call)

    async def _forget(self, call: Call) -> None:
        """Tell the workers, then strike the call from KV, so that a restart finds what was not finished."""
        await self._assigner.release(call)
        try:
            await self._store.delete(call.id)
        except TrunklineError as error:
            log.error("%s stays in KV until the next start: %s", call.id, error)
        self._calls.pop(call.id, None)

    def _live(self) -> list[Call]:
        return [call for call in self._calls.values() if call.state is not CallState.ENDED]

    def _remember(self, call_id: str, refusal: Refused) -> OpenCallReply:
        reply = self._answers[call_id] = OpenCallReply(error=WireError.of(refusal, status=refusal.status))
        if len(self._answers) > _REMEMBERED_ANSWERS:
            self._answers.popitem(last=False)
        return reply


def _over() -> CallOver:
    return CallOver("this call has ended", mend="use a new call id")
