"""The caller's side of a call: which gateway has the leg, how it is lost, and how it comes again."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from typing import Final

from contracts.errors import TrunklineError
from contracts.messages import (
    CallDetached,
    CallReassigned,
    CallStarted,
    OpenCallReply,
    Replaced,
    Role,
)
from runtime.clock import Clock
from session_service.call import FIRST_EPOCH, Call
from session_service.errors import CallOver, LegElsewhere, NotRecorded
from session_service.ports import Chronicle, Herald
from session_service.records import Records
from session_service.roster import Roster
from session_service.states import CallInput, CallState

log = logging.getLogger(__name__)

_LOOK_S: Final = 0.05
_AT_ONCE: Final = 64


class Legs:
    """Takes legs from gateways that are gone and gives them to those where they come again."""

    def __init__(
        self,
        roster: Roster,
        records: Records,
        *,
        herald: Herald,
        chronicle: Chronicle,
        clock: Clock,
        wait_s: float,
    ) -> None:
        self._roster = roster
        self._records = records
        self._herald = herald
        self._chronicle = chronicle
        self._clock = clock
        self._wait_s = wait_s
        self._writing = asyncio.Semaphore(_AT_ONCE)

    # -- lost ----------------------------------------------------------------------------------------

    async def detach(self, calls: Iterable[Call], why: Replaced) -> None:
        """The gateway of these active calls is gone; they wait for their legs."""
        detached = [call for call in calls if call.state is CallState.ACTIVE]
        for call in detached:  # all of it before anything else can happen
            call.happens(CallInput.GATEWAY_LOST)
            call.detached_us = self._clock.now_us()
            call.detached_why = why
        await asyncio.gather(*(self._say_detached(call) for call in detached))

    async def unconfirmed(self, calls: Iterable[Call]) -> None:
        """A session before this one was giving these legs to other gateways, and may have told nobody:
        whoever has one is to ask again.
        """
        unsure = [call for call in calls if Role.GATEWAY in call.moving]
        for call in unsure:
            call.moving.discard(Role.GATEWAY)
        await self.detach(unsure, Replaced.LOST)

    async def _say_detached(self, call: Call) -> None:
        async with self._writing, call.leg_changes:
            if call.state is not CallState.DETACHED:
                return  # its leg has come already, or it is over
            await self._herald.detached(call.ref, CallDetached(gateway=call.gateway, wait_s=self._wait_s))
            try:
                await self._records.keep(call)
            except TrunklineError as error:
                log.warning("that %s waits for its leg is not recorded: %s", call.id, error)

    def is_overdue(self, call: Call) -> bool:
        """Whether the call has waited for its lost leg as long as it may; not while it is written down that
        the leg has come.
        """
        if call.state is not CallState.DETACHED or call.detached_us is None:
            return False
        return self._clock.now_us() - call.detached_us >= self._wait_s * 1_000_000

    # -- come ----------------------------------------------------------------------------------------

    async def settled(self, call: Call, gateway: str) -> None:
        """Return once it is known whether the gateway that has the leg lives: `gateway` says that it has it.

        A caller's carrier may be quicker than we are to notice that a gateway is gone.
        """
        asked_s = self._clock.monotonic_s()
        until_s = asked_s + 2 * self._roster.lost_after_s
        while (
            call.state is CallState.ACTIVE
            and call.gateway != gateway
            and not self._roster.drains(Role.GATEWAY, call.gateway)
            and not self._roster.heard_since(Role.GATEWAY, call.gateway, asked_s)
            and self._clock.monotonic_s() < until_s
        ):
            await self._clock.sleep(_LOOK_S)

    async def attach(self, call: Call, gateway: str) -> OpenCallReply:
        """The leg is at `gateway`: what that one is answered.

        Raises CallOver, LegElsewhere where another gateway has it and lives, and NotRecorded.
        """
        await self.settled(call, gateway)
        if call.gateway != gateway and self._roster.drains(Role.GATEWAY, call.gateway):
            await self.detach([call], Replaced.DRAINING)
        async with call.leg_changes:
            if call.waits_for_leg:
                await self._come(call, gateway)
            if call.state is CallState.ACTIVE and call.gateway == gateway:
                return call.accepted()
        if not call.is_live():
            raise CallOver("this call has ended", mend="use a new call id")
        raise LegElsewhere(f"the leg of {call.id} is at {call.gateway}", mend="end that one first")

    async def _come(self, call: Call, gateway: str) -> None:
        """With the lock of its legs held: KV first, then it is said, then the gateway is answered."""
        again = call.state is CallState.DETACHED
        resumed = again and await self._has_begun(call)
        if not call.is_live():
            return
        before = call.gateway
        announced = again or gateway != before
        await self._record_at(call, gateway, resumed=resumed, announced=announced)
        if not call.is_live():
            return
        call.happens(CallInput.LEG_CAME)
        call.resumed = resumed
        if announced:
            await self._say_where(call, before, call.detached_why if again else Replaced.MOVED)

    async def _record_at(self, call: Call, gateway: str, *, resumed: bool, announced: bool) -> None:
        """Change the call and write it down, or change nothing and raise NotRecorded.

        An epoch begins only where another gateway has spoken in the call.
        """
        undo = call.gateway, call.attached, call.detached_us
        since, life = call.since.get(Role.GATEWAY), call.lives.get(Role.GATEWAY)
        call.gateway, call.attached, call.detached_us = gateway, True, None
        call.lives[Role.GATEWAY] = self._roster.life(Role.GATEWAY, gateway)
        self._roster.expect(Role.GATEWAY, gateway, self._clock.monotonic_s())
        if resumed:
            call.begin_epoch(Role.GATEWAY)
        if announced:
            call.moving.add(Role.GATEWAY)
        try:
            await self._records.keep(call)
        except TrunklineError as error:
            call.gateway, call.attached, call.detached_us = undo
            for values, value in ((call.since, since), (call.lives, life)):
                values.pop(Role.GATEWAY, None)
                if value is not None:
                    values[Role.GATEWAY] = value
            call.moving.discard(Role.GATEWAY)
            raise NotRecorded(
                f"where the leg is could not be recorded: {error.message}",
                mend=error.mend,
                retryable=error.retryable,
            ) from error

    async def _say_where(self, call: Call, before: str, why: Replaced) -> None:
        """The workers are to speak to another gateway."""
        body = CallReassigned(
            role=Role.GATEWAY,
            process=call.gateway,
            epoch=call.since.get(Role.GATEWAY, FIRST_EPOCH),
            before=before,
            why=why,
        )
        await self._herald.reassigned(call.ref, body)
        call.moving.discard(Role.GATEWAY)
        try:
            await self._records.keep(call)
        except TrunklineError as error:
            log.warning("that %s has its leg again is not recorded: %s", call.id, error)

    async def _has_begun(self, call: Call) -> bool:
        """Whether the call was ever answered; where the record cannot be read, it is taken to have been."""
        if not call.answered:
            try:
                words = await self._chronicle.words(call.ref)
            except TrunklineError as error:
                log.warning("whether %s was ever answered is not known: %s", call.id, error)
                return True
            call.answered = any(isinstance(word.body, CallStarted) for word in words)
        return call.answered
