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
    Replaced,
    Role,
    WireError,
)
from runtime.clock import Clock
from session_service.admission import Admission
from session_service.assigning import Assigner
from session_service.call import Call, begun, restored
from session_service.ending import Ending, note_answer
from session_service.errors import CallOver, NotRecorded, NoWorker, Refused
from session_service.legs import Legs
from session_service.ports import CallStore, Chronicle, Floor, Word
from session_service.reassigning import Reassigner
from session_service.records import Records
from session_service.roster import WORKER_ROLES, Roster
from session_service.states import CallInput, CallState
from session_service.table import CallTable

log = logging.getLogger(__name__)

_REMEMBERED_ANSWERS = 4096
_LOOK_UPS_AT_ONCE = 64
_LEAVE_S = 5.0
_STOPPED = WireError.of(
    NoWorker("the session stopped while the call was opened", mend="call again"), status=NoWorker.status
)


class Lifecycle:
    """Opens calls, keeps the table of those that hold slots, ends each exactly once."""

    def __init__(
        self,
        admission: Admission,
        table: CallTable,
        *,
        roster: Roster,
        assigner: Assigner,
        legs: Legs,
        reassigner: Reassigner,
        store: CallStore,
        records: Records,
        floor: Floor,
        chronicle: Chronicle,
        clock: Clock,
    ) -> None:
        self._admission = admission
        self._table = table
        self._roster = roster
        self._assigner = assigner
        self._legs = legs
        self._reassigner = reassigner
        self._store = store
        self._records = records
        self._floor = floor
        self._chronicle = chronicle
        self._ending = Ending(chronicle)
        self._clock = clock
        self._answers: OrderedDict[str, OpenCallReply] = OrderedDict()
        self._unfinished: list[Call] = []

    def active(self, tenant: str | None = None) -> list[ActiveCall]:
        """The calls that hold slots, of one tenant or of all."""
        return [call.record() for call in self._table.live() if tenant in (None, call.snapshot.tenant)]

    def active_calls(self, request: ListActiveCalls) -> ActiveCalls:
        """The calls that hold slots, as asked for, and the slots beside their limits."""
        calls = (one for one in self.active(request.tenant) if request.number in (None, one.number))
        return ActiveCalls(calls=tuple(calls), counts=self._admission.counts(request.tenant, request.number))

    def gateway_of(self, call_id: str) -> str | None:
        """The gateway that holds the leg of a call."""
        call = self._table.get(call_id)
        return call.gateway if call else None

    # -- opening -------------------------------------------------------------------------------------

    async def open(self, request: OpenCall) -> OpenCallReply:
        """Admit and assign, or refuse. A repeated request gets the answer of the first.

        The leg of a call that waits for it is given that call.
        """
        if request.call in self._answers:
            return self._answers[request.call]
        known = self._table.get(request.call) or await self._same_call(request)
        if known is not None:
            return await self._join(known, request)
        try:
            call = self._reserve(request)
        except Refused as refusal:
            return await self._refuse(request, refusal)
        reply = OpenCallReply(error=_STOPPED)
        try:
            reply = await self._hand_out(call)
        except Refused as refusal:
            reply = await self._refuse(request, refusal, call.snapshot.tenant)
        finally:
            if call.answer is not None:
                call.answer.set_result(reply)
                call.answer = None
        return reply

    async def _same_call(self, request: OpenCall) -> Call | None:
        """The call of another id that is the same to the carrier, if this request is for that one.

        A leg that comes to another gateway may be that of a call whose gateway is gone, before we know.
        """
        for call in self._table.of_carrier(request):
            if request.attach and call.attached:
                await self._legs.settled(call, request.gateway)
            if call.is_live() and (not request.attach or call.waits_for_leg or not call.attached):
                return call
        return None

    async def _join(self, call: Call, request: OpenCall) -> OpenCallReply:
        """Another request for a call that is there: its answer again, or its leg has come."""
        if call.answer is not None:
            reply = await asyncio.shield(call.answer)
            if reply.error is not None:
                return reply
        if not request.attach:
            return call.accepted()
        try:
            return await self._legs.attach(call, request.gateway)
        except Refused as refusal:
            return OpenCallReply(error=WireError.of(refusal, status=refusal.status))

    def _reserve(self, request: OpenCall) -> Call:
        if not request.attach and self._table.has_ended(request):
            raise _over()
        snapshot = self._admission.look_up(request.called)
        self._admission.take_slot(request.call, snapshot, request.direction)
        call = begun(request, snapshot, self._clock.now_us())
        call.lives[Role.GATEWAY] = self._roster.life(Role.GATEWAY, request.gateway)
        call.answer = asyncio.get_running_loop().create_future()
        self._roster.expect(Role.GATEWAY, request.gateway, self._clock.monotonic_s())
        self._table.add(call)
        return call

    async def _hand_out(self, call: Call) -> OpenCallReply:
        """Find workers and write the call down. Whatever comes in between, it is cleared up here alone."""
        try:
            await self._assigner.assign(call, self._write_down)
            if not call.is_live():
                raise CallOver("the call ended while it was opened", mend="call again")
            if call.attached is not call.request.attach:
                await self._write_down(call)  # its gateway was lost meanwhile
        except BaseException:
            if call.is_live():
                call.happens(CallInput.NOBODY_TOOK_IT)
            self._free(call)
            await self._forget(call)
            raise
        call.happens(CallInput.WORKERS_TOOK_IT)
        if call.attached:
            call.happens(CallInput.LEG_CAME)
        self._reassigner.pump()  # a worker may have been lost since it took the call
        return call.accepted()

    async def _write_down(self, call: Call) -> None:
        try:
            await self._records.keep(call)
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
            channel=request.channel,
        )
        try:
            await self._chronicle.rejected(CallRef(tenant, request.call), body)
        except TrunklineError as error:
            log.error("the refusal of %s is not in the record: %s", request.call, error)
        return reply

    def leg_answered(self, ref: CallRef, at_us: int) -> None:
        """The gateway says that the conversation may begin: what it costs counts from here."""
        call = self._table.get(ref.call)
        if call is not None and call.ref == ref:
            call.was_answered(at_us)

    # -- ending --------------------------------------------------------------------------------------

    async def leg_ended(self, ref: CallRef, reason: EndReason, detail: str = "", *, epoch: int = 0) -> None:
        """The gateway says that the leg is gone; a second time changes nothing.

        The leg of a gateway that drains comes again elsewhere, and so may that of one that was lost.
        """
        call = self._table.get(ref.call)
        if call is None or call.ref != ref or call.is_stale(Role.GATEWAY, epoch):
            return
        if reason is EndReason.DRAINED and call.state is CallState.ACTIVE:
            await self._legs.detach([call], Replaced.DRAINING)
        elif not (call.waits_for_leg and reason in _LOST_WITH_ITS_GATEWAY):
            await self._end(call, CallInput.LEG_ENDED, reason, detail)

    async def gateway_lost(self, gateway: str, *, life: int = 0) -> None:
        """The legs that the gateway held are lost, and their calls wait for them.

        `life`: the gateway lives, and only what it held in another life is lost.
        """
        held = [
            call
            for call in self._table.held_by(Role.GATEWAY, gateway)
            if not life or call.lives.get(Role.GATEWAY, 0) not in (0, life)
        ]
        for call in held:
            if call.state is CallState.OPENING:
                call.attached = False  # it will be reserved, and its leg may come again
        await self._legs.detach(held, Replaced.LOST)

    async def force_end(self, call_id: str, reason: EndReason, detail: str = "") -> None:
        """Have the leg hung up; where the gateway does not answer or does not do it, end the call anyway."""
        call = self._table.get(call_id)
        if call is None or not call.is_live() or call.state is CallState.OPENING:
            return None
        if call.waits_for_leg:
            return await self._end(call, CallInput.GIVEN_UP, reason, detail)
        now_s = self._clock.monotonic_s()
        if call.hang_up_asked_s is None:
            call.hang_up_asked_s = now_s
        elif now_s - call.hang_up_asked_s >= _LEAVE_S:
            return await self._give_up(call, reason, detail or "the gateway did not end the leg")
        try:
            await self._floor.hang_up(call.ref, reason)
        except TrunklineError as error:
            log.warning("the leg of %s could not be hung up: %s", call_id, error)
            await self._give_up(call, reason, detail or "the gateway did not answer")

    async def _give_up(self, call: Call, reason: EndReason, detail: str) -> None:
        if call.is_live():
            await self._end(call, CallInput.GIVEN_UP, reason, detail)

    async def end_unanswered(self, after_s: float) -> None:
        """Force-end the calls opened so long ago whose leg, says the record, was never answered.

        A gateway that lost patience, or the answer of `open`, knows nothing of the call that it has.
        """
        before_us = self._clock.now_us() - round(after_s * 1_000_000)
        for call in self._table.live():
            if call.answered or call.started_us > before_us or call.state is CallState.OPENING:
                continue
            if call.state is not CallState.DETACHED and not await self._learn(call):
                await self.force_end(call.id, EndReason.GHOST, _why_unanswered(call))

    async def end_overdue(self) -> None:
        """End the calls that have waited too long: for their leg, or for a worker."""
        for call in self._table.live():
            if self._legs.is_overdue(call):
                drained = call.detached_why is Replaced.DRAINING
                reason = EndReason.DRAINED if drained else EndReason.GATEWAY_LOST
                await self._give_up(call, reason, f"{call.gateway} is gone, and the leg did not come again")
        for call in self._reassigner.overdue():
            roles = ", ".join(sorted(call.wants))
            await self.force_end(call.id, EndReason.FAILED, f"no {roles} worker took the call over")

    # -- after a restart -----------------------------------------------------------------------------

    async def restore(self) -> None:
        """Take up the calls that KV holds; `catch_up` is to follow once their events are heard."""
        for record in (await self._store.all()).values():
            self._admission.restore(record)
            call = restored(record, self._admission.numbers)
            self._table.add(call)
            self._assigner.hold(call)
            self._unfinished.append(call)

    async def catch_up(self) -> None:
        """Learn from the record what became of each call while its events could not be heard, and finish what
        a session before this one had begun.
        """
        at_once = asyncio.Semaphore(_LOOK_UPS_AT_ONCE)

        async def learn(call: Call) -> None:
            async with at_once:
                if call.is_live() and call.state is not CallState.OPENING:
                    await self._learn(call)

        await asyncio.gather(*(learn(call) for call in self._table.live()))
        unfinished, self._unfinished = [call for call in self._unfinished if call.is_live()], []
        for call in unfinished:
            if not call.answered and call.state in (CallState.ACTIVE, CallState.RESERVED):
                call.moving.update(WORKER_ROLES)  # it was written down before they were asked
            self._reassigner.unconfirmed(call)
        self._reassigner.pump()
        await self._legs.unconfirmed(unfinished)

    async def _learn(self, call: Call) -> bool:
        """Whether the record knew something of the call, on which we then acted."""
        words = [word for word in await self._chronicle.words(call.ref) if not _is_stale(call, word)]
        if not call.is_live():
            return True
        if any(isinstance(word.body, CallStarted) for word in words):
            call.answered = True
            note_answer(call, words)
            if call.state is CallState.RESERVED:  # its gateway was only thought to be lost
                call.attached = True
                call.happens(CallInput.LEG_CAME)
        last = words[0].body if words else None
        if isinstance(last, CallEnded):
            # It was said before a restart, which came before the rest was done.
            call.happens(CallInput.GIVEN_UP)
            self._remember(call.id, _over())
            self._free(call)
            await self._forget(call)
        elif isinstance(last, LegEnded):
            await self.leg_ended(call.ref, last.reason, last.detail, epoch=words[0].epoch)
        return last is not None

    async def _end(self, call: Call, happened: CallInput, reason: EndReason, detail: str) -> None:
        """End a call once; one that is being opened is only marked, and cleared up by who opens it."""
        if not call.is_live():
            return
        was_opening = call.state is CallState.OPENING
        call.happens(happened)
        if was_opening:
            return
        self._free(call)
        self._remember(call.id, _over())
        ended_us = self._clock.now_us()
        try:
            await self._ending.say(call, reason, detail, ended_us)
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
            await self._records.strike(call)
        except TrunklineError as error:
            log.error("%s stays in KV until it is there again: %s", call.id, error)
        self._table.remove(call)

    def _remember(self, call_id: str, refusal: Refused) -> OpenCallReply:
        reply = self._answers[call_id] = OpenCallReply(error=WireError.of(refusal, status=refusal.status))
        if len(self._answers) > _REMEMBERED_ANSWERS:
            self._answers.popitem(last=False)
        return reply


_LOST_WITH_ITS_GATEWAY = (EndReason.CONNECTION_LOST, EndReason.DRAINED)
"""Why a leg ends whose gateway was cut off, or stops: its caller may be on the way to another one."""


def _is_stale(call: Call, word: Word) -> bool:
    return isinstance(word.body, LegEnded) and call.is_stale(Role.GATEWAY, word.epoch)


def _why_unanswered(call: Call) -> str:
    return "" if call.attached else "its leg never came"


def _over() -> CallOver:
    return CallOver("this call has ended", mend="use a new call id")
