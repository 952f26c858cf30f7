"""A call that holds a slot: what was asked, what was decided, and how it is written down and answered."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from contracts.identities import CallRef
from contracts.messages import (
    ActiveCall,
    Assign,
    NumberSnapshot,
    OpenCall,
    OpenCallReply,
    Replaced,
    Role,
)
from session_service.states import CallInput, CallState, next_state

FIRST_EPOCH: Final = 1


@dataclass(slots=True)
class Want:
    """A role of a call that another process is to take: from whom, why, and since when (monotonic seconds).

    `refused_by` are those who said that they never will.
    """

    process: str
    why: Replaced
    since_s: float
    refused_by: set[str] = field(default_factory=set)


@dataclass(slots=True)
class Call:
    """One call. `answer` is what `open` will say, `answered` that the record knows the leg was answered.

    `attached`: its leg is, or is about to be, at `gateway`. `since` is as in Assign, and for the gateway the
    epoch in which it speaks. `lives` tells in which life its processes took it. `wants` are the roles to be
    moved, `moving` those whose new process has not said yet that it has the call. `answered_us`: when its leg
    was first answered, as far as that was heard.
    """

    request: OpenCall
    snapshot: NumberSnapshot
    started_us: int
    state: CallState = CallState.OPENING
    epoch: int = FIRST_EPOCH
    workers: dict[Role, str] = field(default_factory=dict)
    since: dict[Role, int] = field(default_factory=dict)
    lives: dict[Role, int] = field(default_factory=dict)
    wants: dict[Role, Want] = field(default_factory=dict)
    moving: set[Role] = field(default_factory=set)
    gateway: str = ""
    attached: bool = True
    detached_us: int | None = None
    detached_why: Replaced = Replaced.LOST
    resumed: bool = False
    answer: asyncio.Future[OpenCallReply] | None = None
    answered: bool = False
    answered_us: int | None = None
    hang_up_asked_s: float | None = None
    leg_changes: asyncio.Lock = field(default_factory=asyncio.Lock)
    record_writes: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def id(self) -> str:
        """The call id."""
        return self.request.call

    @property
    def ref(self) -> CallRef:
        """Tenant and call."""
        return CallRef(self.snapshot.tenant, self.request.call)

    def is_live(self) -> bool:
        """Whether it is not over."""
        return self.state is not CallState.ENDED

    @property
    def waits_for_leg(self) -> bool:
        """Whether everything is held for a leg that is to come."""
        return self.state in (CallState.RESERVED, CallState.DETACHED)

    def happens(self, what: CallInput) -> None:
        """Go to the next state; raises IllegalTransition, and then changes nothing."""
        self.state = next_state(self.state, what)

    def process_of(self, role: Role) -> str | None:
        """Who speaks for the role now."""
        return self.gateway if role is Role.GATEWAY else self.workers.get(role)

    def is_stale(self, role: Role, epoch: int) -> bool:
        """Whether something that `role` said in `epoch` counts no more; epoch 0 always counts."""
        return 0 < epoch < self.since.get(role, 0)

    def was_answered(self, at_us: int) -> None:
        """Its leg was answered then; where that is said again, the first time counts."""
        if self.answered_us is None:
            self.answered_us = at_us

    def begin_epoch(self, role: Role) -> int:
        """From now on another process speaks for `role`; the epoch from which it does."""
        self.epoch += 1
        self.since[role] = self.epoch
        return self.epoch

    def record(self) -> ActiveCall:
        """As it is kept in KV."""
        return ActiveCall(
            call=self.id,
            tenant=self.snapshot.tenant,
            number=self.snapshot.number,
            caller=self.request.caller,
            carrier_call_id=self.request.carrier_call_id,
            started_us=self.started_us,
            epoch=self.epoch,
            gateway=self.gateway,
            workers=dict(self.workers),
            assistant=self.snapshot.assistant,
            direction=self.request.direction,
            channel=self.request.channel,
            since=dict(self.since),
            attached=self.attached,
            detached_us=self.detached_us,
            moving=tuple(sorted(self.moving)),
            lives=dict(self.lives),
            price=self.snapshot.price,
            share=self.snapshot.tenant_share,
            answered_us=self.answered_us,
        )

    def assignment(self, epoch: int | None = None, *, resumed: bool = False) -> Assign:
        """As its workers are told; in `epoch`, or the newest."""
        return Assign(
            call=self.id,
            tenant=self.snapshot.tenant,
            epoch=epoch or self.epoch,
            gateway=self.gateway,
            workers=dict(self.workers),
            assistant=self.snapshot.assistant,
            since=dict(self.since),
            resumed=resumed,
            share=self.snapshot.tenant_share,
        )

    def accepted(self) -> OpenCallReply:
        """As its gateway is told: it speaks in the epoch since which it has the leg.

        Whoever was replaced since then is named in `since`; everybody else has the call since that epoch or
        an older one.
        """
        return OpenCallReply(
            call=self.id,
            tenant=self.snapshot.tenant,
            epoch=self.since.get(Role.GATEWAY, FIRST_EPOCH),
            number=self.snapshot.number,
            workers=dict(self.workers),
            assistant=self.snapshot.assistant,
            since=dict(self.since),
            resumed=self.resumed or self.answered,
            channel=self.request.channel,
        )


def begun(request: OpenCall, snapshot: NumberSnapshot, now_us: int) -> Call:
    """A call that was just admitted."""
    return Call(request, snapshot, now_us, gateway=request.gateway, attached=request.attach)


def restored(record: ActiveCall, numbers: Mapping[str, NumberSnapshot]) -> Call:
    """A call from its record, made by a session before this one; it keeps what it began with."""
    known = numbers.get(record.number.removeprefix("+"))
    snapshot = NumberSnapshot(
        number=record.number,
        tenant=record.tenant,
        tenant_name=known.tenant_name if known else record.tenant,
        price=record.price,
        tenant_share=record.share,
        assistant=record.assistant,
    )
    request = OpenCall(
        call=record.call,
        called=record.number,
        caller=record.caller,
        carrier_call_id=record.carrier_call_id,
        gateway=record.gateway,
        attach=record.attached,
        direction=record.direction,
        channel=record.channel,
    )
    return Call(
        request,
        snapshot,
        record.started_us,
        _state_of(record),
        record.epoch,
        dict(record.workers),
        dict(record.since),
        dict(record.lives),
        moving=set(record.moving),
        gateway=record.gateway,
        attached=record.attached,
        detached_us=record.detached_us,
        answered_us=record.answered_us,
    )


def _state_of(record: ActiveCall) -> CallState:
    if record.detached_us is not None:
        return CallState.DETACHED
    return CallState.ACTIVE if record.attached else CallState.RESERVED
