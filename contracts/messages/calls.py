"""Events about the call and its leg: what the gateway saw and heard, and what the session decided."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from contracts.errors import ErrorCode
from contracts.identities import PhoneNumber, ProcessId
from contracts.messages.base import Count, Epoch, Message, Micros, Millis, Outcome, ReplyNumber, Role
from contracts.messages.money import CallCost


class EndReason(StrEnum):
    """Why a call or its leg came to an end."""

    CALLER_HUNG_UP = "caller_hung_up"
    AGENT_HUNG_UP = "agent_hung_up"
    COMMANDED = "commanded"
    CONNECTION_LOST = "connection_lost"
    PROTOCOL_ERROR = "protocol_error"
    GHOST = "ghost"
    GATEWAY_LOST = "gateway_lost"
    DRAINED = "drained"
    FAILED = "failed"


class CallChannel(StrEnum):
    """How a caller comes: through a carrier, or over the media socket from a program of the tenant's."""

    PHONE = "phone"
    WEB = "web"


class CallStarted(Message):
    """The leg is answered and audio flows; the conversation may begin."""

    called: PhoneNumber
    caller: str
    carrier_call_id: str
    protocol: Literal["twilio"]
    gateway: ProcessId
    assistant: str
    language: str
    channel: CallChannel = CallChannel.WEB


class CallRejected(Message):
    """A call was refused before answer; kept for billing."""

    called: str
    caller: str
    carrier_call_id: str
    code: ErrorCode
    status: Annotated[int, Field(ge=400, le=599)]
    message: str
    channel: CallChannel = CallChannel.WEB


class DtmfReceived(Message):
    """The caller pressed a key."""

    digit_pii: Annotated[str, Field(pattern=r"^[0-9A-D*#]$")]


class PlayoutStarted(Message):
    """The first agent frame of a reply left the gateway; `first_frame_us` is the gateway's clock."""

    reply: ReplyNumber
    first_frame_us: Micros


class PlayoutEnded(Message):
    """What the caller heard of a reply. An interrupted one was heard up to `heard_sentences` whole ones
    and `partial_ms` of the next; `ended_us` is when its last frame had left.
    """

    reply: ReplyNumber
    outcome: Outcome
    heard_ms: Millis
    heard_sentences: Count
    partial_ms: Millis = 0.0
    ended_us: Micros


class Replaced(StrEnum):
    """Why a process no longer speaks for its role in a call.

    `moved`: the leg of a call that was reserved came to another gateway than the one that had asked.
    """

    LOST = "lost"
    DRAINING = "draining"
    REFUSED = "refused"
    MOVED = "moved"


class CallReassigned(Message):
    """From here on `process` speaks for `role`, in `epoch`: what the one before says later is stale.

    Said before the replacement takes the call, so that its place in the stream is the border between the two.
    For the gateway, said once the caller's leg has come to another one.
    """

    role: Role
    process: ProcessId
    epoch: Epoch
    before: ProcessId
    why: Replaced


class CallDetached(Message):
    """The gateway of this call was lost or drains, and its leg is gone; it waits `wait_s` for it to return.

    `call.reassigned` for the gateway follows when it has.
    """

    gateway: ProcessId
    wait_s: Annotated[float, Field(gt=0)]


class LegEnded(Message):
    """The gateway lost or closed the leg."""

    reason: EndReason
    detail: str = ""
    frames_in: Count
    frames_out: Count
    frames_dropped: Count


class CallEnded(Message):
    """The call is over and its slot is free. Published exactly once per accepted call.

    `cost` is final; there is none where minutes are not charged.
    """

    reason: EndReason
    detail: str = ""
    started_us: Micros
    ended_us: Micros
    duration_ms: Millis
    cost: CallCost | None = None
