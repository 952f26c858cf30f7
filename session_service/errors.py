"""Why a call is refused before answer, and what can go wrong while one is opened.

TrunklineError
└── SessionError
    ├── Refused                     the caller hears this as a SIP status
    │   ├── UnknownNumber           404  nobody has this number
    │   ├── NumberInactive          404  it is switched off
    │   ├── SubscriptionInactive    402  its tenant's subscription has ended
    │   ├── NumberFull              486  as many calls as the number may hold
    │   ├── TenantFull              486  as many calls as the tenant may hold
    │   ├── CallOver                481  it has ended, or ended while it was opened
    │   ├── LegElsewhere            409  its leg is at another gateway, which lives (retryable)
    │   ├── PlatformFull            503  every worker of some role is at its capacity (retryable)
    │   ├── NoWorker                503  no worker of some role lives, or none took the call (retryable)
    │   └── NotRecorded             503  its slot could not be written down (retryable)
    ├── NotLeading                  this process may not decide now, another session does or will (retryable)
    ├── UnknownCall                 404  no such call of this tenant holds a slot
    ├── AnsweredWithError           a worker or gateway answered with an error of its own
    └── IllegalTransition           a call was told to do what its state does not allow
"""

from __future__ import annotations

from typing import ClassVar

from contracts.errors import ErrorCode, TrunklineError
from contracts.messages import WireError


class SessionError(TrunklineError):
    """Base of what this service raises."""


class Refused(SessionError):
    """A call that is not answered; `status` is what its carrier is told."""

    status: ClassVar[int] = 503


class UnknownCall(SessionError):
    """No such call of this tenant holds a slot."""

    code = ErrorCode.UNKNOWN_CALL
    status = 404


class UnknownNumber(Refused):
    """Nobody has the called number."""

    code = ErrorCode.UNKNOWN_NUMBER
    status = 404


class NumberInactive(Refused):
    """The called number is switched off."""

    code = ErrorCode.NUMBER_INACTIVE
    status = 404


class SubscriptionInactive(Refused):
    """The tenant's subscription has ended."""

    code = ErrorCode.SUBSCRIPTION_INACTIVE
    status = 402


class NumberFull(Refused):
    """The number holds as many calls as it may."""

    code = ErrorCode.NUMBER_FULL
    status = 486


class TenantFull(Refused):
    """The tenant holds as many calls as it may."""

    code = ErrorCode.TENANT_FULL
    status = 486


class CallOver(Refused):
    """The call has ended, or ended while it was opened."""

    code = ErrorCode.OUT_OF_ORDER
    status = 481


class LegElsewhere(Refused):
    """The leg of the call is at another gateway, and that one lives."""

    code = ErrorCode.CONFLICT
    status = 409
    retryable = True


class PlatformFull(Refused):
    """Every worker of some role holds as many calls as it can."""

    code = ErrorCode.PLATFORM_FULL
    retryable = True


class NoWorker(Refused):
    """No worker of some role lives, or none of them took the call."""

    code = ErrorCode.NO_WORKER
    retryable = True


class NotRecorded(Refused):
    """The slot of the call could not be written down: after a restart nobody would know of it."""

    code = ErrorCode.STORE_UNAVAILABLE
    retryable = True


class NotLeading(SessionError):
    """This process may not decide now: another session leads, or it cannot tell whether it still does."""

    code = ErrorCode.STORE_UNAVAILABLE


class AnsweredWithError(SessionError):
    """A worker or gateway answered with an error of its own; carries what it said."""

    def __init__(self, error: WireError) -> None:
        super().__init__(error.message, mend=error.mend, retryable=error.retryable)
        self.code = error.code


class IllegalTransition(SessionError):
    """A call was told to do what its state does not allow."""

    code = ErrorCode.OUT_OF_ORDER
