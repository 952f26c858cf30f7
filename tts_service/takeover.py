"""What a gateway holds of a call: asked by a worker that takes the call over, or whose gateway is a new one.

It may be opening the call still, and answers once it can play it; so it is asked again for a while.
"""

from __future__ import annotations

import logging
from typing import Final

from contracts.channels import TAKE_OVER
from contracts.errors import TrunklineError
from contracts.messages import Assign, Role, TakenOver, TakeOver
from runtime.bus import Bus
from runtime.clock import Clock

log = logging.getLogger(__name__)

_WAIT_S: Final = 0.05


class GatewayQuestion:
    """Asks the gateways of all calls."""

    def __init__(self, bus: Bus, clock: Clock, *, timeout_s: float, patience_s: float) -> None:
        self._bus = bus
        self._clock = clock
        self._timeout_s = timeout_s
        self._patience_s = patience_s

    async def ask(self, assign: Assign) -> TakenOver:
        """What the call's gateway holds. Nothing, where it does not say: it drops what it gets twice."""
        question = TakeOver(role=Role.TTS, process=assign.workers[Role.TTS], epoch=assign.epoch)
        give_up_s = self._clock.monotonic_s() + self._patience_s
        while True:
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
            if self._clock.monotonic_s() >= give_up_s:
                log.warning("call %s: the gateway does not say what it holds: %s", assign.call, why)
                return TakenOver()
            await self._clock.sleep(_WAIT_S)
