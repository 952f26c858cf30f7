"""A call that holds a slot: what was asked, what was decided, and how it is written down and answered."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from contracts.identities import CallRef
from contracts.messages import ActiveCall, Assign, NumberSnapshot, OpenCall, OpenCallReply, Role
from session_service.states import CallState

FIRST_EPOCH: Final = 1


@dataclass(slots=True)
class Call:
    """One call. `answer` is what `open` will say, `answered` that the record knows the leg was answered.

    `inherited`: another leader opened it, and may have died before the workers had it.
    """

    request: OpenCall
    snapshot: NumberSnapshot
    started_us: int
    state: CallState = CallState.OPENING
    epoch: int = FIRST_EPOCH
    workers: dict[Role, str] = field(default_factory=dict)
    answer: asyncio.Future[OpenCallReply] | None = None
    answered: bool = False
    hang_up_asked_s: float | None = None
    inherited: bool = False

    @property
    def id(self) -> str:
        """The call id."""
        return self.request.call

    @property
    def ref(self) -> CallRef:
        """Tenant and call."""
        return CallRef(self.snapshot.tenant, self.request.call)

    @property
    def uncertain(self) -> bool:
        """Whether its workers may lack it: another leader was opening it, and nobody answered its leg."""
        return self.inherited and not self.answered and self.state is CallState.ACTIVE

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
            gateway=self.request.gateway,
            workers=dict(self.workers),
            assistant=self.snapshot.assistant,
            direction=self.request.direction,
        )

    def assignment(self) -> Assign:
        """As its workers are told."""
        return Assign(
            call=self.id,
            tenant=self.snapshot.tenant,
            epoch=self.epoch,
            gateway=self.request.gateway,
            workers=dict(self.workers),
            assistant=self.snapshot.assistant,
        )

    def accepted(self) -> OpenCallReply:
        """As its gateway is told."""
        return OpenCallReply(
            tenant=self.snapshot.tenant,
            epoch=self.epoch,
            number=self.snapshot.number,
            workers=dict(self.workers),
            assistant=self.snapshot.assistant,
        )


def restored(record: ActiveCall, numbers: Mapping[str, NumberSnapshot]) -> Call:
    """An active call from its record; it keeps the assistant it began with."""
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
        direction=record.direction,
    )
    return Call(
        request,
        snapshot,
        record.started_us,
        CallState.ACTIVE,
        record.epoch,
        dict(record.workers),
        inherited=True,
    )
