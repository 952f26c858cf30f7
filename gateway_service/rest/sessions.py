"""The session as a carrier's webhooks need it, over the bus."""

from __future__ import annotations

from dataclasses import dataclass

from contracts.channels import SESSION_CALLS, SESSION_END, SESSION_OPEN
from contracts.messages import (
    CallChannel,
    EndCall,
    EndCallReply,
    ListLiveCalls,
    LiveCall,
    LiveCalls,
    OpenCall,
    OpenCallReply,
)
from gateway_service.rest.asking import Requests
from gateway_service.rest.errors import Answered


@dataclass(frozen=True, slots=True)
class BusSessions:
    """The `Sessions` port. `process` is who asks, until a gateway has the leg."""

    bus: Requests
    process: str
    timeout_s: float

    async def reserve(self, call: str, called: str, caller: str, carrier_call_id: str) -> OpenCallReply:
        """Ask for a slot, for a leg that is to come."""
        wanted = OpenCall(
            call=call,
            called=called,
            caller=caller,
            carrier_call_id=carrier_call_id,
            gateway=self.process,
            attach=False,
            channel=CallChannel.PHONE,
        )
        return await self.bus.request(SESSION_OPEN, wanted, OpenCallReply, timeout_s=self.timeout_s)

    async def find(self, carrier_call_id: str) -> LiveCall | None:
        """Look among the calls that hold slots."""
        wanted = ListLiveCalls(carrier_call_id=carrier_call_id)
        found = await self.bus.request(SESSION_CALLS, wanted, LiveCalls, timeout_s=self.timeout_s)
        if found.error is not None:
            raise Answered(found.error)
        return found.items[0] if found.items else None

    async def end(self, call: str) -> None:
        """Have it ended; one that is over already is as good."""
        await self.bus.request(SESSION_END, EndCall(call=call), EndCallReply, timeout_s=self.timeout_s)
