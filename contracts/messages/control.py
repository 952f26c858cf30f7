"""Commands and requests: opening a call, handing it to workers, hanging up, asking for rows."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field, JsonValue, model_validator

from contracts.identities import CallId, PhoneNumber, ProcessId, TenantSlug
from contracts.messages.base import Count, Epoch, Message, Micros, Reply, Role, Share
from contracts.messages.calls import CallChannel, EndReason
from contracts.messages.config import AssistantSnapshot
from contracts.messages.money import Price


class Heartbeat(Message):
    """A process is alive, and how loaded.

    `started_us` tells two lives of a process under one name apart: what the first held is lost. `capacity`
    is how many calls it may hold; `room` how many more it can take now and stay within its latency budget,
    None where only the count limits it. `quiet_ms` names the calls whose caller sends no media, and for how
    long.
    """

    role: Role
    process: ProcessId
    at_us: Micros
    started_us: Micros = 0
    calls: Count
    capacity: Count
    room: Count | None = None
    draining: bool = False
    quiet_ms: dict[CallId, Count] = Field(default_factory=dict)


class Assign(Message):
    """Take this call. `workers` names the process of every role, so that audio can name its receiver.

    `since` holds for each role the epoch from which its process speaks: what that role said in an older one
    is stale. A role that is not named there speaks since the first. `resumed`: the call has gone on before,
    and what was said so far is in the stream. `share` is what the tenant gets of an engine that others want
    too, as it was when the call began.
    """

    call: CallId
    tenant: TenantSlug
    epoch: Epoch
    gateway: ProcessId
    workers: dict[Role, ProcessId]
    assistant: AssistantSnapshot
    since: dict[Role, Epoch] = Field(default_factory=dict)
    resumed: bool = False
    share: Share = 1


class Assigned(Reply):
    """The worker has the call and hears its events, or says why not."""


class Release(Message):
    """Let go of this call if you hold it in this epoch or an older one."""

    call: CallId
    tenant: TenantSlug
    epoch: Epoch


class Direction(StrEnum):
    """Who called whom: a caller us, or we a customer."""

    INBOUND = "inbound"
    OUTBOUND = "outbound"


class OpenCall(Message):
    """May this call be answered?

    `attach`: the leg is at the gateway that asks. Otherwise a slot is reserved for a leg that is to come
    with this call id, to whichever gateway. A call whose gateway was lost is waiting for just this: its leg,
    come again with its call id or its carrier call id, is the same call. An outbound call cannot take the
    slots that are kept for callers. The `channel` of a call is that of its first request.
    """

    call: CallId
    called: str
    caller: str
    carrier_call_id: str
    gateway: ProcessId
    attach: bool = True
    direction: Direction = Direction.INBOUND
    channel: CallChannel = CallChannel.WEB


class OpenCallReply(Reply):
    """Accepted, with whom to talk to, or rejected, with `error` saying why; exactly one of the two.

    `call` is the call that the leg belongs to: another than was asked for where the leg of a waiting call
    has come again. `since` and `resumed` are as in Assign.
    """

    call: CallId | None = None
    tenant: TenantSlug | None = None
    epoch: Epoch = 1
    number: PhoneNumber | None = None
    workers: dict[Role, ProcessId] = Field(default_factory=dict)
    assistant: AssistantSnapshot | None = None
    since: dict[Role, Epoch] = Field(default_factory=dict)
    resumed: bool = False
    channel: CallChannel = CallChannel.WEB

    @model_validator(mode="after")
    def _either_accepted_or_rejected(self) -> Self:
        assignment = (self.tenant, self.number, self.workers, self.assistant)
        if self.error is None and not all(assignment):
            raise ValueError("an accepted call names its tenant, number, workers and assistant")
        if self.error is not None and any(assignment):
            raise ValueError("a rejected call carries its error and no assignment")
        return self


class ActiveCall(Message):
    """One call that holds a slot, as kept in KV by the session leader.

    `since` is as in Assign. `attached`: its leg has come. `detached_us`: its gateway was lost then, and it
    waits for its leg. `moving` are the roles whose process may not have taken the call yet. `lives` holds the
    `started_us` of the processes, as far as it is known: another life of one does not hold the call. `price`
    and `share` are those that held when the call began, `answered_us` is when its leg was answered, as far as
    it is known.
    """

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
    since: dict[Role, Epoch] = Field(default_factory=dict)
    attached: bool = True
    detached_us: Micros | None = None
    moving: tuple[Role, ...] = ()
    lives: dict[Role, Micros] = Field(default_factory=dict)
    direction: Direction = Direction.INBOUND
    channel: CallChannel = CallChannel.WEB
    price: Price | None = None
    share: Share = 1
    answered_us: Micros | None = None


class LeaderLease(Message):
    """Which session process leads, in the term that its taking over began.

    Its holder writes it anew long before it runs out. Who has seen it unchanged for its whole length, on its
    own clock, or `released`, may take it: by a write that names the revision it saw.
    """

    holder: ProcessId
    term: Annotated[int, Field(ge=1)]
    released: bool = False


class LeaderTerm(Message):
    """The fence before the call records: a write of one names the revision of this, or is refused.

    Written once in a term, before the leader reads what its predecessor left.
    """

    holder: ProcessId
    term: Annotated[int, Field(ge=1)]


class ListActiveCalls(Message):
    """Ask for the calls that hold slots, of one tenant, of one number, or of all."""

    tenant: TenantSlug | None = None
    number: PhoneNumber | None = None


class Occupancy(Message):
    """How many calls hold slots, `outbound` of them ours, and how many may; None where nothing limits them.

    Outbound calls stop `inbound_reserve` short of the limit.
    """

    held: Count = 0
    outbound: Count = 0
    limit: Count | None = None
    inbound_reserve: Count = 0


class CallCounts(Message):
    """The slots by tenant and by number, idle ones included, and of the platform.

    Who asks for a tenant or a number learns of no other, and nothing of the platform.
    """

    platform: Occupancy | None = None
    tenants: dict[TenantSlug, Occupancy] = Field(default_factory=dict)
    numbers: dict[PhoneNumber, Occupancy] = Field(default_factory=dict)


class ActiveCalls(Reply):
    """The calls that hold slots, and how many they are beside how many may be."""

    calls: tuple[ActiveCall, ...] = ()
    counts: CallCounts = CallCounts()


class HangUp(Message):
    """End the leg of this call."""

    reason: EndReason
    detail: str = ""


class TakeOver(Message):
    """A worker that replaced another has the call: `process` speaks for `role` since `epoch`.

    For stt: send caller audio there from now on, first the kept frames that came in after `after_us`.
    """

    role: Role
    process: ProcessId
    epoch: Epoch
    after_us: Micros = 0


class TakenOver(Reply):
    """What the gateway holds of the agent's speech: all of the first `sentences` sentences of `reply`.

    `reply` is 0 before any; replies before it need no audio any more. `frames` caller frames are on their
    way again.
    """

    reply: Count = 0
    sentences: Count = 0
    frames: Count = 0


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
