"""What the gateway asks of others before it answers a call: may it, who holds it, and what went before."""

from __future__ import annotations

import logging
from typing import Final

from contracts.channels import SESSION_CALLS, SESSION_OPEN
from contracts.errors import TrunklineError
from contracts.identities import CallRef
from contracts.messages import ListLiveCalls, LiveCalls, OpenCall, OpenCallReply, Role
from gateway_service.errors import AlreadyAttached, CallRefused, SessionUnavailable, TokenRefused
from gateway_service.history import History, read_history
from gateway_service.ports import LegStarted
from gateway_service.settings import Settings
from runtime.bus import Bus
from runtime.clock import Clock
from runtime.errors import RequestTimeout

log = logging.getLogger(__name__)

_ASK_AGAIN_S: Final = 0.1


class Questions:
    """Asks the session, and the stream, for any call."""

    def __init__(self, bus: Bus, settings: Settings, clock: Clock) -> None:
        self._bus = bus
        self._settings = settings
        self._clock = clock

    async def may_open(self, request: OpenCall) -> OpenCallReply:
        """The session's yes; raises CallRefused, AlreadyAttached or SessionUnavailable."""
        try:
            reply = await self._ask_until_answered(request)
        except TrunklineError as error:
            raise _nobody_answered("session.open", error) from error
        if reply.error is not None and reply.error.code is AlreadyAttached.code:
            raise AlreadyAttached(reply.error.message, mend=reply.error.mend)
        if reply.error is not None:
            raise CallRefused(reply.error)
        if Role.STT not in reply.workers:
            raise SessionUnavailable("the session named no stt worker", mend="see session_service's log")
        return reply

    async def check_goes_on(self, start: LegStarted) -> None:
        """Raise TokenRefused unless the call of an expired token is one that the session has."""
        wanted = ListLiveCalls(tenant=start.tenant, call=start.call)
        timeout_s = self._settings.gateway_open_timeout_s
        try:
            live = await self._bus.request(SESSION_CALLS, wanted, LiveCalls, timeout_s=timeout_s)
        except TrunklineError as error:
            raise _nobody_answered("session.calls", error) from error
        if live.error is not None or not live.items:
            raise TokenRefused("the media token has expired", mend="call anew, with a new token")

    async def past_of(self, ref: CallRef) -> History:
        """What the lost gateway knew. Without it the call still goes on: its next turn and reply say most."""
        try:
            return await read_history(self._bus.jetstream, ref)
        except TrunklineError as error:
            log.error("call %s goes on without its history: %s", ref.call, error)
            return History()

    async def _ask_until_answered(self, request: OpenCall) -> OpenCallReply:
        """The session's answer; a question that was lost is asked again, and is one to the session.

        While one session takes over from another nobody listens: that too is waited for.
        """
        timeout_s = self._settings.gateway_open_timeout_s
        give_up_s = self._clock.monotonic_s() + self._settings.gateway_open_patience_s
        while True:
            try:
                return await self._bus.request(SESSION_OPEN, request, OpenCallReply, timeout_s=timeout_s)
            except RequestTimeout:
                if self._clock.monotonic_s() >= give_up_s:
                    raise
                await self._clock.sleep(_ASK_AGAIN_S)


def _nobody_answered(what: str, error: TrunklineError) -> SessionUnavailable:
    log.warning("%s failed: %s", what, error)
    return SessionUnavailable(
        "nobody could say whether this call may be answered", mend="is session_service running?"
    )
