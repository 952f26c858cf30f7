"""What people ask about calls, on their way through REST: the live ones of session, the past of analytics."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from contracts.identities import CallId, PhoneNumber, ProcessId, TenantSlug
from contracts.messages.access import Cursor, PageSize
from contracts.messages.base import Count, Message, Micros, Millis, Reply
from contracts.messages.calls import CallChannel
from contracts.messages.control import CallCounts
from contracts.messages.money import CallCost, CurrencyOrNone, MoneyMicros


class ListLiveCalls(Message):
    """The calls that hold slots, by their ids: of one tenant or of all, of one number, or one call, by its
    own id or by its carrier's.
    """

    tenant: TenantSlug | None = None
    number: PhoneNumber | None = None
    call: CallId | None = None
    carrier_call_id: str | None = None
    after: Cursor | None = None
    limit: PageSize = 50


class LiveCall(Message):
    """A call that holds a slot. `detached_us`: its gateway was lost then, and it waits for its leg.

    `cost` is what it costs so far; there is none where minutes are not charged.
    """

    call: CallId
    tenant: TenantSlug
    number: PhoneNumber
    caller: str
    carrier_call_id: str
    started_us: Micros
    gateway: ProcessId
    assistant: str
    language: str
    detached_us: Micros | None = None
    channel: CallChannel = CallChannel.WEB
    answered_us: Micros | None = None
    cost: CallCost | None = None


class LiveCalls(Reply):
    """A page of the calls that hold slots."""

    items: tuple[LiveCall, ...] = ()
    next: Cursor | None = None


class CountCalls(Message):
    """How many calls a tenant and its numbers hold now, and how many they may.

    For no tenant: the platform, every tenant, and the numbers that hold calls.
    """

    tenant: TenantSlug | None = None


class CountedCalls(Reply):
    """The slots as they are now."""

    counts: CallCounts = CallCounts()


class EndCall(Message):
    """Have the leg of this call hung up, whichever gateway holds it."""

    call: CallId
    tenant: TenantSlug | None = None


class EndCallReply(Reply):
    """The call ends, or why not: UnknownCall where no such call of the tenant holds a slot."""


class ListCalls(Message):
    """Calls of the record, the newest first: of one tenant or of all, of one number, or one call.

    `over`: only those that have ended, or have not.
    """

    tenant: TenantSlug | None = None
    number: PhoneNumber | None = None
    call: CallId | None = None
    outcome: Literal["active", "completed", "dropped", "rejected"] | None = None
    over: bool | None = None
    after: Cursor | None = None
    limit: PageSize = 50


class CallRecord(Message):
    """A call as the record tells it; what has not happened, or was not measured, is None or empty."""

    call: CallId
    tenant: TenantSlug
    outcome: Literal["active", "completed", "dropped", "rejected"]
    called: str
    caller: str
    carrier_call_id: str
    channel: Literal["phone", "web", ""] = ""
    assistant: str
    language: str
    answered: bool
    started_us: Micros
    ended_us: Micros | None
    duration_ms: Millis | None
    reason: str
    detail: str
    rejected_code: str
    rejected_status: Count
    rejected_message: str
    turns: Count
    replies: Count
    interruptions: Count
    agent_heard_ms: Millis
    mean_voice_to_voice_ms: float | None
    worst_voice_to_voice_ms: float | None
    cost_micros: MoneyMicros | None = None
    currency: CurrencyOrNone = ""
    billed_s: Count | None = None


class CallRecords(Reply):
    """A page of the record."""

    items: tuple[CallRecord, ...] = ()
    next: Cursor | None = None


class GetTranscript(Message):
    """What was said in a call, from its beginning."""

    call: CallId
    tenant: TenantSlug | None = None
    after: Annotated[str, Field(pattern=r"^[0-9]{1,7}$")] | None = None
    limit: PageSize = 50


class TranscriptLine(Message):
    """Something said. `heard_ms` of what the agent said reached the caller's ear."""

    at_us: Micros
    speaker: Literal["caller", "agent"]
    turn: Count | None
    reply: Count | None
    text_pii: str
    confidence: float | None
    heard_ms: Millis | None
    interrupted: bool | None


class Transcript(Reply):
    """A page of what was said, or UnknownCall where the record knows no such call of the tenant."""

    items: tuple[TranscriptLine, ...] = ()
    next: Cursor | None = None
