"""A caller's leg without a socket: the wire of a caller of ours, the leg of a gateway in the same process.

What the gateway's desk tells its leg reaches the caller `later`, as it would over a socket: neither of the
two expects to be called back from within its own call. No I/O.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from pybase64 import b64encode_as_string

from contracts.messages import EndReason
from gateway_service.errors import GatewayError
from gateway_service.media import twilio_protocol as protocol
from gateway_service.ports import CallDesk, CallerSide, DigitPressed, HungUp, LegOffered, MarkPlayed
from trunkline.media_socket import Receiver

Later = Callable[..., object]
"""Calls a function with its arguments soon, and in the order in which it was asked to."""

_NO_CODE: Final = 1005


class BusLeg:
    """The `Wire` of one caller and the `MediaLeg` of one call. Where the desk takes no call, the receiver is
    told so with the code that a socket would be closed with.
    """

    def __init__(self, desk: CallDesk, receiver: Receiver, later: Later) -> None:
        self._receiver = receiver
        self._later = later
        self._call: CallerSide | None = None
        try:
            self._call = desk.connect(self)
        except GatewayError as error:
            later(receiver.on_closed, error.close_code, error.reason)

    # -- what the caller sends -----------------------------------------------------------------------

    def send(self, message: bytes) -> None:
        """One message of the caller, in its carrier's words; swallowed once the leg is closed."""
        if self._call is None:
            return
        try:
            self._tell(self._call, protocol.parse(message))
        except GatewayError as error:
            self._call.tell(error)

    def _tell(self, call: CallerSide, message: protocol.Inbound) -> None:
        match message:
            case protocol.Media(payload):
                call.hear(payload)
            case protocol.Start():
                call.tell(LegOffered(message.call, message.to, message.from_, "twilio", local=True))
            case protocol.Mark(name):
                call.tell(MarkPlayed(name))
            case protocol.Dtmf(digit):
                call.tell(DigitPressed(digit))
            case protocol.Stop():
                call.tell(HungUp())

    # -- what the gateway sends ----------------------------------------------------------------------

    def send_audio(self, payload: bytes, mark: str | None) -> bool:
        """Play `payload`, then report `mark`; never too slow."""
        if payload:
            self._say({"event": "media", "media": {"payload": b64encode_as_string(payload)}})
        if mark is not None:
            self._say({"event": "mark", "mark": {"name": mark}})
        return True

    def clear(self) -> None:
        """Have the caller forget what it has not played."""
        self._say({"event": "clear"})

    def _say(self, message: dict[str, Any]) -> None:
        if self._call is not None:
            self._later(self._receiver.on_message, message)

    # -- either of them ------------------------------------------------------------------------------

    def close(self, code: int = _NO_CODE, reason: str = "") -> None:
        """The gateway ends the leg, or, without a code, the caller does; both are told, once."""
        call, self._call = self._call, None
        if call is not None:
            self._later(call.gone, EndReason.CALLER_HUNG_UP, "")
            self._later(self._receiver.on_closed, code, reason)
