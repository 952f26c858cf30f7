"""Asks a call's gateway for what the caller said while nobody listened.

From then on the gateway sends the call's audio here. It may be restarting, or not there at all while the call
waits for its leg; so it is asked again for as long as such a call may wait.
"""

from __future__ import annotations

import logging
from typing import Final

from contracts.channels import TAKE_OVER
from contracts.errors import ErrorCode, TrunklineError
from contracts.identities import CallRef
from contracts.messages import Role, TakenOver, TakeOver
from runtime.bus import Bus
from runtime.clock import Clock

log = logging.getLogger(__name__)

_TRIES: Final = 40
_TIMEOUT_S: Final = 1.0
_PAUSE_S: Final = 0.4


class KeptAudio:
    """What the gateways keep, as seen from this process."""

    def __init__(self, bus: Bus, clock: Clock, process: str) -> None:
        self._bus = bus
        self._clock = clock
        self._process = process

    async def ask_for(self, ref: CallRef, epoch: int, after_us: int) -> int:
        """Have the frames sent that came in after `after_us`, then the live ones; how many are on their way.

        0 as well where no gateway can be found, and where another process has the call by now: both are
        logged.
        """
        command = TakeOver(role=Role.STT, process=self._process, epoch=epoch, after_us=after_us)
        for _ in range(_TRIES):
            try:
                taken = await self._bus.request(
                    TAKE_OVER, command, TakenOver, timeout_s=_TIMEOUT_S, tenant=ref.tenant, call=ref.call
                )
            except TrunklineError as error:
                log.info("the audio of call %s is asked for again: %s", ref.call, error)
            else:
                if taken.error is None:
                    return taken.frames
                if taken.error.code is ErrorCode.CONFLICT:
                    log.warning("the audio of call %s is not for us: %s", ref.call, taken.error.message)
                    return 0
            await self._clock.sleep(_PAUSE_S)
        log.error("no gateway sends the audio of call %s", ref.call)
        return 0
