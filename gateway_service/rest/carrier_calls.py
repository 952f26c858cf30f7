"""What a carrier is told to do with a call: bring its leg, wait, or end it. Knows no HTTP and no XML.

A carrier asks when a call comes in, and again whenever its media stream has ended: then the call is over, or
its gateway was lost and the leg is to come again. It may ask anything twice.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from dataclasses import dataclass, field
from enum import StrEnum
from http import HTTPStatus
from typing import Final, Protocol

from contracts.errors import TrunklineError
from contracts.messages import LiveCall, OpenCallReply
from gateway_service.rest.media_passes import Pass, Passes

log = logging.getLogger(__name__)

_REMEMBERED: Final = 10_000
_MOST_WAITS: Final = 15
_SIP_BUSY: Final = 486


class Sessions(Protocol):
    """Who admits calls, knows the live ones and ends them. All raise TrunklineError where nobody answers."""

    async def reserve(self, call: str, called: str, caller: str, carrier_call_id: str) -> OpenCallReply:
        """A slot and an answer for a leg that is to come with this call id, or a refusal."""
        ...

    async def find(self, carrier_call_id: str) -> LiveCall | None:
        """The call of this carrier's call id, while it holds a slot."""
        ...

    async def end(self, call: str) -> None:
        """End a call."""
        ...


class Verdict(StrEnum):
    """What to do with the call."""

    STREAM = "stream"
    WAIT = "wait"
    HANG_UP = "hang_up"
    BUSY = "busy"
    REJECTED = "rejected"


_FINAL: Final = frozenset({Verdict.HANG_UP, Verdict.BUSY, Verdict.REJECTED})


@dataclass(frozen=True, slots=True)
class Ring:
    """The carrier asks about a call. `answered`: it was answered before, so it must not be opened anew.

    `repeats` is equal for a question that came before.
    """

    carrier_call_id: str
    called: str
    caller: str
    answered: bool
    repeats: str


@dataclass(frozen=True, slots=True)
class Instruction:
    """What the carrier is to do; `pass_` lets the leg in where it is to bring it."""

    verdict: Verdict
    pass_: Pass | None = None


@dataclass(slots=True)
class _Known:
    """A call that was asked about. The lock lets questions about one call follow one another."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    verdict: Verdict | None = None
    given: tuple[str, Pass] | None = None
    waits: int = 0


class CarrierCalls:
    """The calls of carriers, one answer after the other for each. Remembers the newest few thousand."""

    def __init__(self, sessions: Sessions, passes: Passes) -> None:
        self._sessions = sessions
        self._passes = passes
        self._known: OrderedDict[str, _Known] = OrderedDict()

    async def asked(self, ring: Ring) -> Instruction:
        """What to do with the call now. Opens it once, however often it is asked about."""
        known = self._about(ring.carrier_call_id)
        async with known.lock:
            try:
                instruction = await self._decide(ring, known)
            except TrunklineError as error:
                log.warning("no session for carrier call %s: %s", ring.carrier_call_id, error)
                return _nobody_knows(ring, known)
            known.verdict, known.waits = instruction.verdict, 0
            return instruction

    async def over(self, carrier_call_id: str, *, never_answered: bool) -> None:
        """The carrier says that the call has ended: it is not opened any more.

        One that was `never_answered` has no leg that would end with it, so its slot is given back here.
        """
        known = self._about(carrier_call_id)
        async with known.lock:
            known.verdict = Verdict.HANG_UP
            if not never_answered:
                return
            try:
                reserved = await self._sessions.find(carrier_call_id)
                if reserved is not None:
                    await self._sessions.end(reserved.call)
            except TrunklineError as error:
                log.warning("carrier call %s keeps its slot for a while: %s", carrier_call_id, error)

    async def _decide(self, ring: Ring, known: _Known) -> Instruction:
        if known.verdict in _FINAL:
            return Instruction(known.verdict)
        active = await self._sessions.find(ring.carrier_call_id)
        if active is not None:
            return self._bring(ring, known, active.call, active.number, active.tenant)
        if ring.answered or known.verdict is not None:
            return Instruction(Verdict.HANG_UP)
        call = self._passes.new_call()
        reply = await self._sessions.reserve(call, ring.called, ring.caller, ring.carrier_call_id)
        if reply.error is not None:
            busy = reply.error.status in (_SIP_BUSY, HTTPStatus.SERVICE_UNAVAILABLE)
            return Instruction(Verdict.BUSY if busy else Verdict.REJECTED)
        return self._bring(ring, known, reply.call or call, reply.number or ring.called, reply.tenant)

    def _bring(self, ring: Ring, known: _Known, call: str, number: str, tenant: str | None) -> Instruction:
        """The same question about the same call gets the pass that it got, while that holds."""
        if known.given is not None:
            repeats, given = known.given
            if repeats == ring.repeats and given.call == call and self._passes.holds(given):
                return Instruction(Verdict.STREAM, given)
        pass_ = self._passes.pass_for(call, number, ring.caller, tenant)
        known.given = ring.repeats, pass_
        return Instruction(Verdict.STREAM, pass_)

    def _about(self, carrier_call_id: str) -> _Known:
        known = self._known.setdefault(carrier_call_id, _Known())
        self._known.move_to_end(carrier_call_id)
        if len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        return known


def _nobody_knows(ring: Ring, known: _Known) -> Instruction:
    """Nobody could say: a new call finds the line busy; one that goes on asks again in a moment."""
    if not ring.answered and known.verdict is not Verdict.STREAM:
        return Instruction(Verdict.BUSY)
    known.waits += 1
    return Instruction(Verdict.WAIT if known.waits <= _MOST_WAITS else Verdict.HANG_UP)
