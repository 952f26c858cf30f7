"""Commands and requests: opening a call, handing it to workers, hanging up, asking for rows."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field, JsonValue, model_validator

from contracts.identities import CallId, PhoneNumber, ProcessId, TenantSlug
from contracts.messages.base import Count, Message, Micros, Reply
from contracts.messages.calls import EndReason
from contracts.messages.config import AssistantSnapshot

Epoch = Annotated[int, Field(ge=1, le=0xFFFF)]


class Role(StrEnum):
    """What a process does for calls; workers of a role are interchangeable."""

    GATEWAY = "gateway"
    STT = "stt"
    LLM = "llm"
    TTS = "tts"


class Heartbeat(Message):
    """A process is alive, and how loaded.

    `quiet_ms` names the calls whose caller sends no media, and for how long.
    """

    role: Role
    process: ProcessId
    at_us: Micros
    calls: Count
    capacity: Count
    draining: bool = False
    quiet_ms: dict[CallId, Count] = Field(default_factory=dict)


class Assign(Message):
    """Take this call. `workers` names the process of every role, so that audio can name its receiver."""

    call: CallId
    tenant: TenantSlug
    epoch: Epoch
    gateway: ProcessId
    workers: dict[Role, ProcessId]
    assistant: AssistantSnapshot


class Assigned(Reply):
    """The worker has the call and hears its events, or says why not."""


class Release(Message):
    """Let go of this call if you hold it in this epoch or an older one."""

    call: CallId
    tenant: TenantSlug
    epoch: Epoch


class OpenCall(Message):
    """May this call be answered?"""

    call: CallId
    called: str
    caller: str
    carrier_call_id: str
    gateway: ProcessId


class OpenCallReply(Reply):
    """Accepted, with whom to talk to, or rejected, with `error` saying why; exactly one of the two."""

    tenant: TenantSlug | None = None
    epoch: Epoch = 1
    number: PhoneNumber | None = None
    workers: dict[Role, ProcessId] = Field(default_factory=dict)
    assistant: AssistantSnapshot | None = None

    @model_validator(mode="after")
    def _either_accepted_or_rejected(self) -> Self:
        assignment = (self.tenant, self.number, self.workers, self.assistant)
        if self.error is None and not all(assignment):
            raise ValueError("an accepted call names its tenant, number, workers and assistant")
        if self.error is not None and any(assignment):
            raise ValueError("a rejected call carries its error and no assignment")
        return self


class ActiveCall(Message):
    """One call that holds a slot, as kept in KV by the session leader."""

    call: CallId
    tenant: TenantSlug
    number: PhoneNumber
    caller: str
    carrier_call_id: str
    started_us: Micros
    epoch: Epoch
    gateway: ProcessId
    workers: dict[Role, ProcessId]
    assistant: AssistantSnapshot


class ListActiveCalls(Message):
    """Ask for the calls that hold slots, of one tenant or of all."""

    tenant: TenantSlug | None = None


class ActiveCalls(Reply):
    """The calls that hold slots."""

    calls: tuple[ActiveCall, ...] = ()


class HangUp(Message):
    """End the leg of this call."""

    reason: EndReason
    detail: str = ""


class CommandReply(Reply):
    """A command was carried out, or why not."""


class SqlQuery(Message):
    """One read-only statement for the reporting store."""

    sql: Annotated[str, Field(min_length=1)]
    max_rows: Annotated[int, Field(ge=1, le=100_000)] = 1000


class SqlResult(Reply):
    """Rows of the answer, or the error."""

    columns: tuple[str, ...] = ()
    rows: tuple[tuple[JsonValue, ...], ...] = ()
    truncated: bool = False
