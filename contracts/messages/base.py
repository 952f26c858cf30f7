"""What all messages share: frozen models, the event envelope, and the error as it crosses the wire.

Bodies carry no identity and no time, so a core can build one without a clock or a bus; the envelope is
stamped by whoever publishes.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, ClassVar, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import override

from contracts.errors import ErrorCode, TrunklineError
from contracts.identities import CallId, CallRef, EventId, TenantSlug

Micros = Annotated[int, Field(ge=0, le=(1 << 53) - 1, description="microseconds since the Unix epoch")]
Millis = Annotated[float, Field(ge=0, description="milliseconds")]
Count = Annotated[int, Field(ge=0)]
Calls = Annotated[int, Field(ge=0, le=1_000_000, description="calls at once")]
Epoch = Annotated[int, Field(ge=1, le=0xFFFF, description="counts the assignments of a call")]
Share = Annotated[
    int, Field(ge=1, le=100, description="of an engine that many want: 2 gets twice what 1 gets")
]
PlanSlug = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]
ReplyNumber = Annotated[int, Field(ge=1, description="replies of a call count from 1; the greeting is one")]


class Message(BaseModel):
    """Base of every message: frozen; unknown fields are ignored so that producers may move first."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    version: ClassVar[int] = 1


BodyT = TypeVar("BodyT", bound=Message)


class Event(Message, Generic[BodyT]):
    """The envelope of a call event: identity, time, cause and trace context around a body.

    `v` is the version of the body; `cause` the id of the event that led to this one; `trace` a W3C
    traceparent; `epoch` that of the assignment under which a worker spoke, 0 where none applies.
    """

    id: EventId
    v: Annotated[int, Field(ge=1)]
    at_us: Micros
    tenant: TenantSlug
    call: CallId
    epoch: Annotated[int, Field(ge=0, le=0xFFFF)] = 0
    cause: EventId | None = None
    trace: Annotated[str, Field(pattern=r"^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$")] | None = None
    body: BodyT

    @classmethod
    @override
    def model_parametrized_name(cls, params: tuple[Any, ...]) -> str:
        """`TurnEndedEvent` and not `Event[TurnEnded]`: a name that schemas and error texts can carry."""
        return f"{params[0].__name__}Event"

    @property
    def ref(self) -> CallRef:
        """The call that this event belongs to."""
        return CallRef(self.tenant, self.call)


class Outcome(StrEnum):
    """How a stream ended; every stream ends with one of these."""

    DONE = "done"
    CANCELLED = "cancelled"
    FAILED = "failed"


class Stage(StrEnum):
    """The three model stages of a turn."""

    STT = "stt"
    LLM = "llm"
    TTS = "tts"


class Role(StrEnum):
    """What a process does for calls; workers of a role are interchangeable."""

    GATEWAY = "gateway"
    STT = "stt"
    LLM = "llm"
    TTS = "tts"


class WireError(Message):
    """A refusal or failure: code, what went wrong, the mend, and whether trying again may help."""

    code: ErrorCode
    message: str
    mend: str = ""
    retryable: bool = False
    status: Annotated[int, Field(ge=400, le=599, description="the HTTP or SIP status it maps to")] = 500

    @classmethod
    def of(cls, error: TrunklineError, *, status: int | None = None) -> WireError:
        """The wire form of one of our own errors, with its own status unless another is given."""
        return cls(
            code=error.code,
            message=error.message,
            mend=error.mend,
            retryable=error.retryable,
            status=error.status if status is None else status,
        )


class Reply(Message):
    """Base of every answer to a request: what was asked for, or `error` saying why not."""

    error: WireError | None = None
