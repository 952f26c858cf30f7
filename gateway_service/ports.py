"""What lies between a call and the way to its caller, whatever protocol that way speaks.

A leg (one file in `media/` each) says what comes from the caller to a `CallerSide`, and carries out what a
`MediaLeg` is told. Payloads are mu-law at 8 kHz: 20 ms each from the caller, one or several frames to him.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

from contracts.messages import EndReason
from gateway_service.errors import GatewayError


@dataclass(frozen=True, slots=True)
class LegOffered:
    """The leg says what it is, as far as its carrier does. Its media format was checked before.

    `local`: its socket comes from this machine, and from no proxy on it.
    """

    carrier_call_id: str
    called: str | None
    caller: str | None
    protocol: Literal["twilio"]
    token: str | None = None
    local: bool = False


@dataclass(frozen=True, slots=True)
class LegStarted:
    """A leg that may come in, and who calls whom on it.

    `call` and `tenant` are what its token says. `late`: that token has expired, so the call must be one that
    goes on.
    """

    carrier_call_id: str
    called: str
    caller: str
    protocol: Literal["twilio"]
    call: str | None = None
    tenant: str | None = None
    late: bool = False


@dataclass(frozen=True, slots=True)
class DigitPressed:
    """The caller pressed one of 0-9, A-D, * and #."""

    digit: str


@dataclass(frozen=True, slots=True)
class MarkPlayed:
    """All audio sent before the mark of this name has been played to the caller, or was cleared."""

    name: str


@dataclass(frozen=True, slots=True)
class HungUp:
    """The carrier says that the call is over; the socket may still be open."""


Signal: TypeAlias = LegOffered | DigitPressed | MarkPlayed | HungUp | GatewayError


class MediaLeg(Protocol):
    """The way to one caller. Nothing here blocks, and nothing raises for a caller who is gone."""

    def send_audio(self, payload: bytes, mark: str | None) -> bool:
        """Play `payload` after what was sent before, then report `mark` if there is one.

        An empty payload sends the mark alone. False: the caller reads too slowly and this frame was dropped.
        """
        ...

    def clear(self) -> None:
        """Forget all audio that has not been played yet."""
        ...

    def close(self, code: int, reason: str) -> None:
        """End the leg, with a WebSocket close code and a reason of at most 123 bytes."""
        ...


class CallerSide(Protocol):
    """The call's end of a leg. `hear` and `tell` raise GatewayError for what cannot come now."""

    def hear(self, payload: bytes) -> None:
        """20 ms of the caller, just arrived."""
        ...

    def tell(self, signal: Signal) -> None:
        """Something beside audio; a GatewayError is the fault for which the leg is to be ended."""
        ...

    def gone(self, reason: EndReason, detail: str) -> None:
        """The leg is closed, by whomever; said once, and nothing after it."""
        ...


class CallDesk(Protocol):
    """Where a leg reports when it has just connected."""

    def connect(self, leg: MediaLeg) -> CallerSide:
        """Begin a call on `leg`; raises GatewayError where no new one can be taken."""
        ...


class FrameMeter(Protocol):
    """Counts audio frames for the whole process."""

    def came_in(self) -> None:
        """A caller's frame arrived."""
        ...

    def went_out(self, frames: int) -> None:
        """So many of an agent's frames were sent."""
        ...

    def dropped(self, why: str) -> None:
        """A frame was dropped."""
        ...
