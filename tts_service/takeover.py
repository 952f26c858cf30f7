"""What a gateway holds of a call that this worker takes over: asked once, and again where no answer comes."""

from __future__ import annotations

import logging
from typing import Final

from contracts.channels import TAKE_OVER
from contracts.errors import TrunklineError
from contracts.messages import Assign, Role, TakenOver, TakeOver
from runtime.bus import Bus
from runtime.clock import Clock

log = logging.getLogger(__name__)

_TRIES: Final = 3
_WAIT_S: Final = 0.1


class GatewayQuestion:
    """Asks the gateways of all calls."""

    def __init__(self, bus: Bus, clock: Clock, timeout_s: float) -> None:
        self._bus = bus
        self._clock = clock
        self._timeout_s = timeout_s

    async def ask(self, assign: Assign) -> TakenOver:
        """What the call's gateway holds. Nothing, where it does not say: it drops what it gets twice."""
        question = TakeOver(role=Role.TTS, process=assign.workers[Role.TTS], epoch=assign.epoch)
        for left in reversed(range(_TRIES)):
            why = ""
            try:
                taken = await self._bus.request(
                    TAKE_OVER,
                    question,
                    TakenOver,
                    timeout_s=self._timeout_s,
                    tenant=assign.tenant,
                    call=assign.call,
                )
                if taken.error is None:
                    return taken
                why = taken.error.message
            except TrunklineError as error:
                why = str(error)
            log.warning("call %s: the gateway does not say what it holds: %s", assign.call, why)
            if left:
                await self._clock.sleep(_WAIT_S)
        return TakenOver()
