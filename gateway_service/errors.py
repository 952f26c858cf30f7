"""Why the gateway refuses or ends a leg. Each error is also the WebSocket close that the caller sees.

A leg at fault hears what is wrong and the mend: its programmer reads that. A caller who is refused (`Sorry`)
hears a sentence for callers and the code; the log and the record have the rest.

TrunklineError
├── GatewayError            close_code and reason for the caller
│   ├── BadMessage          1007  not JSON, or a field at fault, by name
│   ├── WrongFrameSize      1007  a media payload that is not 20 ms
│   ├── BinaryMessage       1003  a binary WebSocket message
│   ├── UnsupportedMedia    1003  a codec, rate or track that the gateway does not carry
│   ├── MessageTooLarge     1009
│   ├── OutOfOrder          1002  a message that cannot come now (media before start, a second start)
│   ├── BrokenWebSocket     1002  a fault below the messages, found by the WebSocket library
│   ├── BadParameter        1008  a parameter of the start that is not text of a fitting length
│   ├── NumberMissing       1008  no called or caller number
│   ├── TokenMissing        1008  no media token came with the start
│   ├── TokenRefused        1008  a media token that is forged, expired, or for other numbers
│   ├── AlreadyAttached     1008  another leg has this call (retryable: that leg's gateway may be lost)
│   ├── StartTimeout        1008  connected, and then silence
│   ├── Sorry                     in a caller's words
│   │   ├── Draining            1012  this gateway is going away (retryable)
│   │   ├── GatewayFull         4503  this gateway holds all the sockets it may (retryable)
│   │   ├── SessionUnavailable  4503  nobody could say whether the call may be answered (retryable)
│   │   └── CallRefused         4000 + the session's status: 4402, 4404, 4486, 4503
│   └── InternalFault       1011  a fault of ours, in this call alone
├── StaleTakeOver           a take-over by a process that was itself replaced since
└── UnknownCall             a command for a call that is not, or no longer, here
"""

from __future__ import annotations

from typing import ClassVar, Final

from typing_extensions import override

from contracts.errors import ErrorCode, TrunklineError
from contracts.messages import EndReason, WireError

_REASON_BYTES: Final = 123  # RFC 6455, 5.5: a control frame holds 125 bytes, two of them the code
_PRIVATE_CODES: Final = 4000
_BUSY: Final = "We are sorry, all lines are busy. Please call again in a few minutes."
_NOT_IN_SERVICE: Final = "We are sorry, this number is not in service."
_NOT_NOW: Final = "We are sorry, your call cannot be connected now. Please try again later."
_SAID: Final = {
    ErrorCode.UNKNOWN_NUMBER: _NOT_IN_SERVICE,
    ErrorCode.NUMBER_INACTIVE: _NOT_IN_SERVICE,
    ErrorCode.SUBSCRIPTION_INACTIVE: "We are sorry, this number takes no calls at present.",
    ErrorCode.NUMBER_FULL: _BUSY,
    ErrorCode.TENANT_FULL: _BUSY,
    ErrorCode.PLATFORM_FULL: _BUSY,
    ErrorCode.NO_WORKER: _BUSY,
}


class GatewayError(TrunklineError):
    """A leg that cannot begin, or cannot go on."""

    close_code: int = 1011
    end_reason: ClassVar[EndReason] = EndReason.PROTOCOL_ERROR

    @property
    def counted_as(self) -> ErrorCode:
        """The code under which it is counted."""
        return self.code

    @property
    def reason(self) -> str:
        """What went wrong and the mend, as a WebSocket close reason."""
        return close_reason(str(self))


class BadMessage(GatewayError):
    """A message that is not JSON, or has a field at fault."""

    close_code = 1007
    code = ErrorCode.BAD_MESSAGE


class WrongFrameSize(GatewayError):
    """A media payload that is not exactly 20 ms."""

    close_code = 1007
    code = ErrorCode.BAD_FRAME


class BinaryMessage(GatewayError):
    """A binary WebSocket message, where the protocol is text."""

    close_code = 1003
    code = ErrorCode.BAD_MESSAGE


class UnsupportedMedia(GatewayError):
    """A codec, rate or track that the gateway does not carry."""

    close_code = 1003
    code = ErrorCode.UNSUPPORTED_CODEC


class MessageTooLarge(GatewayError):
    """A message beyond the limit."""

    close_code = 1009
    code = ErrorCode.MESSAGE_TOO_LARGE


class OutOfOrder(GatewayError):
    """A message that cannot come in this state of the call."""

    close_code = 1002
    code = ErrorCode.OUT_OF_ORDER


class BrokenWebSocket(GatewayError):
    """The WebSocket library closed the socket for a fault below the messages."""

    close_code = 1002
    code = ErrorCode.BAD_FRAME


class BadParameter(GatewayError):
    """A parameter of the start is not text of a fitting length."""

    close_code = 1008
    code = ErrorCode.BAD_MESSAGE


class NumberMissing(GatewayError):
    """No called or caller number came with the start."""

    close_code = 1008
    code = ErrorCode.BAD_MESSAGE


class TokenMissing(GatewayError):
    """No media token came with the start."""

    close_code = 1008
    code = ErrorCode.UNAUTHENTICATED


class TokenRefused(GatewayError):
    """A media token that is forged, expired, or not for this call."""

    close_code = 1008
    code = ErrorCode.UNAUTHENTICATED


class AlreadyAttached(GatewayError):
    """Another leg has this call. Where that leg's gateway was lost, the session will know in a moment."""

    close_code = 1008
    code = ErrorCode.CONFLICT
    retryable = True


class StartTimeout(GatewayError):
    """The socket opened and no start followed."""

    close_code = 1008
    code = ErrorCode.TIMEOUT


class Sorry(GatewayError):
    """A caller who did nothing wrong is not answered, and is told so in words for callers."""

    @property
    @override
    def reason(self) -> str:
        """One polite sentence and, in brackets, the code: nothing of the operator's business."""
        return close_reason(f"{_SAID.get(self.counted_as, _NOT_NOW)} [{self.counted_as}]")


class Draining(Sorry):
    """This gateway takes no new calls."""

    close_code = 1012
    code = ErrorCode.PLATFORM_FULL
    end_reason = EndReason.DRAINED
    retryable = True


class GatewayFull(Sorry):
    """This gateway holds all the sockets it may."""

    close_code = _PRIVATE_CODES + 503
    code = ErrorCode.PLATFORM_FULL
    retryable = True


class SessionUnavailable(Sorry):
    """Nobody could say whether the call may be answered."""

    close_code = _PRIVATE_CODES + 503
    code = ErrorCode.TIMEOUT
    end_reason = EndReason.FAILED
    retryable = True


class CallRefused(Sorry):
    """The session said no; the close code is 4000 plus its status."""

    def __init__(self, error: WireError) -> None:
        super().__init__(error.message, mend=error.mend, retryable=error.retryable)
        self.close_code = _PRIVATE_CODES + error.status
        self._code = error.code

    @property
    @override
    def counted_as(self) -> ErrorCode:
        """The session's own code."""
        return self._code


class InternalFault(GatewayError):
    """A fault of ours that ends one call and leaves the others alone."""

    close_code = 1011
    end_reason = EndReason.FAILED


class StaleTakeOver(TrunklineError):
    """A process wants to speak for a role for which another one speaks by now."""

    code = ErrorCode.CONFLICT
    status = 409


class UnknownCall(TrunklineError):
    """A command for a call that is not, or no longer, here."""

    code = ErrorCode.UNKNOWN_CALL


def close_reason(text: str) -> str:
    """`text` cut to what a WebSocket close frame can carry, at a character's border."""
    return text.encode()[:_REASON_BYTES].decode(errors="ignore")
