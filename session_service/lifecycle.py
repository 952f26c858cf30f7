"""A call from `open` to `ended`: slot, workers, record. Speaks to the world through its ports only."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field

from contracts.errors import TrunklineError
from contracts.identities import PLATFORM_TENANT, CallRef
from contracts.messages import (
    ActiveCall,
    Assign,
    CallEnded,
    CallRejected,
    EndReason,
    NumberSnapshot,
    OpenCall,
    OpenCallReply,
    Role,
    WireError,
)
from runtime.clock import Clock
from session_service.admission import Admission
from session_service.errors import NoWorker, Refused
from session_service.ports import CallStore, Chronicle, Floor
from session_service.roster import WORKER_ROLES, Roster
from session_service.states import CallInput, CallState, next_state

log = logging.getLogger(__name__)

FIRST_EPOCH = 1


@dataclass(slots=True)
class _Call:
    request: OpenCall
    snapshot: NumberSnapshot
    started_us: int
    state: CallState = CallState.OPENING
    epoch: int = FIRST_EPOCH
    workers: dict[Role, str] = field(default_factory=dict)
    answer: asyncio.Future[OpenCallReply] | None = None

    @property
    def ref(self) -> CallRef:
        return CallRef(self.snapshot.tenant, self.request.call)

    def record(self) -> ActiveCall:
        return ActiveCall(
            call=self.request.call,
            tenant=self.snapshot.tenant,
            number=self.snapshot.number,
            caller=self.request.caller,
            carrier_call_id=self.request.carrier_call_id,
            started_us=self.started_us,
            epoch=self.epoch,
            gateway=self.request.gateway,
            workers=self.workers,
            assistant=self.snapshot.assistant,
        )


class Lifecycle:
    """Opens calls, keeps the table of the active ones, ends each exactly once."""

    def __init__(
        self,
        admission: Admission,
        roster: Roster,
        *,
        store: CallStore,
        floor: Floor,
        chronicle: Chronicle,
        clock: Clock,
        assign_tries: int,
    ) -> None:
        self._admission = admission
        self._roster = roster
        self._store = store
        self._floor = floor
        self._chronicle = chronicle
        self._clock = clock
        self._assign_tries = assign_tries
        self._calls: dict[str, _Call] = {}

    def active(self, tenant: str | None = None) -> list[ActiveCall]:
        """The calls that hold slots, of one tenant or of all."""
        return [call.record() for call in self._calls.values() if tenant in (None, call.snapshot.tenant)]

    def knows(self, call: str) -> bool:
        """Whether the call holds a slot."""
        return call in self._calls

    async def open(self, request: OpenCall) -> OpenCallReply:
        """Admit and assign, or refuse. A repeated request gets the answer of the first."""
        known = self._calls.get(request.call)
        if known is not None:
            return await asyncio.shield(known.answer) if known.answer else _accepted(known)
        try:
            call = self._reserve(request)
        except Refused as refusal:
            return await self._refuse(request, refusal)
        try:
            reply = await self._hand_out(call)
        except Refused as refusal:
            reply = await self._refuse(request, refusal, call.snapshot.tenant)
        if call.answer is not None:
            call.answer.set_result(reply)
            call.answer = None
        return reply

    def _reserve(self, request: OpenCall) -> _Call:
        snapshot = self._admission.look_up(request.called)
        self._admission.take_slot(request.call, snapshot)
        call = _Call(request, snapshot, self._clock.now_us())
        call.answer = asyncio.get_running_loop().create_future()
        self._calls[request.call] = call
        return call

    async def _hand_out(self, call: _Call) -> OpenCallReply:
        try:
            now_s = self._clock.monotonic_s()
            for role in WORKER_ROLES:
                call.workers[role] = self._roster.pick(role, now_s)
                self._roster.took(call.workers[role])
            await asyncio.gather(*(self._assign(call, role) for role in WORKER_ROLES))
            await self._store.put(call.request.call, call.record())
        except BaseException:
            if call.state is CallState.OPENING:
                await self._close(call, CallInput.NOBODY_TOOK_IT)
            raise
        if call.state is not CallState.OPENING:
            raise NoWorker("the call ended while it was opened", mend="call again")
        call.state = next_state(call.state, CallInput.WORKERS_TOOK_IT)
        return _accepted(call)

    async def _assign(self, call: _Call, role: Role) -> None:
        """Hand the call to the picked worker of `role`, or to the next best one when it does not take it."""
        tried: set[str] = set()
        while True:
            process = call.workers[role]
            tried.add(process)
            try:
                return await self._floor.assign(role, process, self._assignment(call))
            except TrunklineError as error:
                log.warning("%s did not take %s: %s", process, call.request.call, error)
                if len(tried) >= self._assign_tries or not error.retryable:
                    raise NoWorker(
                        f"no {role} worker took the call: {error.message}", mend=error.mend
                    ) from error
                replacement = self._roster.pick(role, self._clock.monotonic_s(), avoid=tried)
                self._roster.let_go(process)
                self._roster.took(replacement)
                call.workers[role] = replacement

    def _assignment(self, call: _Call) -> Assign:
        return Assign(
            call=call.request.call,
            tenant=call.snapshot.tenant,
            epoch=call.epoch,
            gateway=call.request.gateway,
            workers=dict(call.workers),
            assistant=call.snapshot.assistant,
        )

    async def _refuse(self, request: OpenCall, refusal: Refused, tenant: str | None = None) -> OpenCallReply:
        if tenant is None:
            known = self._admission.numbers.get(request.called.removeprefix("+"))
            tenant = known.tenant if known else PLATFORM_TENANT
        await self._chronicle.rejected(
            CallRef(tenant, request.call),
            CallRejected(
                called=request.called,
                caller=request.caller,
                carrier_call_id=request.carrier_call_id,
                code=refusal.code,
                status=refusal.status,
                message=refusal.message,
            ),
        )
        return OpenCallReply(error=WireError.of(refusal, status=refusal.status))

    async def leg_ended(self, ref: CallRef, reason: EndReason, detail: str = "") -> None:
        """The gateway says that the leg is gone; a second time changes nothing."""
        call = self._calls.get(ref.call)
        if call is not None and call.ref == ref:
            await self._end(call, CallInput.LEG_ENDED, reason, detail)

    async def gateway_lost(self, gateway: str) -> None:
        """End every call whose leg that gateway held."""
        for call in [call for call in self._calls.values() if call.request.gateway == gateway]:
            await self._end(
                call, CallInput.GATEWAY_LOST, EndReason.GATEWAY_LOST, f"{gateway} sends no heartbeat"
            )

    async def force_end(self, call_id: str, reason: EndReason) -> None:
        """Have the leg hung up; where the gateway does not answer, end the call without it."""
        call = self._calls.get(call_id)
        if call is None or call.state is not CallState.ACTIVE:
            return
        try:
            await self._floor.hang_up(call.ref, reason)
        except TrunklineError as error:
            log.warning("the leg of %s could not be hung up: %s", call_id, error)
            await self.leg_ended(call.ref, reason, "the gateway did not answer")

    async def restore(self) -> None:
        """Take up the calls that KV holds; end those whose leg ended meanwhile."""
        for call_id, record in (await self._store.all()).items():
            self._admission.restore(record)
            call = _restored(record, self._admission.numbers)
            self._calls[call_id] = call
            for process in call.workers.values():
                self._roster.took(process)
            reason = await self._chronicle.leg_had_ended(call.ref)
            if reason is not None:
                await self.leg_ended(call.ref, reason, "found after a restart of the session")

    async def _end(self, call: _Call, happened: CallInput, reason: EndReason, detail: str) -> None:
        was_active = call.state is CallState.ACTIVE
        ended_us = self._clock.now_us()
        await self._close(call, happened)
        if was_active:
            body = CallEnded(
                reason=reason,
                detail=detail,
                started_us=call.started_us,
                ended_us=ended_us,
                duration_ms=max(0, ended_us - call.started_us) / 1000,
            )
            await self._chronicle.ended(call.ref, body)

    async def _close(self, call: _Call, happened: CallInput) -> None:
        """Free the slot first: whatever fails afterwards, it does not leak."""
        call.state = next_state(call.state, happened)
        self._calls.pop(call.request.call, None)
        self._admission.free_slot(call.request.call)
        for role, process in call.workers.items():
            self._roster.let_go(process)
            await self._floor.release(role, process, call.ref, call.epoch)
        await self._store.delete(call.request.call)


def _accepted(call: _Call) -> OpenCallReply:
    return OpenCallReply(
        tenant=call.snapshot.tenant,
        epoch=call.epoch,
        number=call.snapshot.number,
        workers=dict(call.workers),
        assistant=call.snapshot.assistant,
    )


def _restored(record: ActiveCall, numbers: dict[str, NumberSnapshot]) -> _Call:
    known = numbers.get(record.number.removeprefix("+"))
    snapshot = NumberSnapshot(
        number=record.number,
        tenant=record.tenant,
        tenant_name=known.tenant_name if known else record.tenant,
        assistant=record.assistant,
    )
    request = OpenCall(
        call=record.call,
        called=record.number,
        caller=record.caller,
        carrier_call_id=record.carrier_call_id,
        gateway=record.gateway,
    )
    return _Call(request, snapshot, record.started_us, CallState.ACTIVE, record.epoch, dict(record.workers))
