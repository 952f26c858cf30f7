"""What a call needs of the configuration: the merged, validated snapshot that router publishes to KV.

A call keeps the snapshot it started with.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from contracts.identities import PhoneNumber, TenantSlug
from contracts.messages.base import Count, Message, Share
from contracts.messages.money import Price

EngineName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]*$")]
AssistantSlug = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$")]


class KnowledgeItem(Message):
    """One answer and the ways in which callers ask for it."""

    questions: Annotated[tuple[str, ...], Field(min_length=1)]
    answer: Annotated[str, Field(min_length=1)]


class EngineChain(Message):
    """Engines by stage, in order of preference; a failing one falls through to the next."""

    stt: Annotated[tuple[EngineName, ...], Field(min_length=1)] = ("whisper",)
    llm: Annotated[tuple[EngineName, ...], Field(min_length=1)] = ("faq", "openai")
    tts: Annotated[tuple[EngineName, ...], Field(min_length=1)] = ("piper",)


class Voice(Message):
    """Which voice speaks, by the engine's own name for it; empty means the engine's default."""

    name: str = ""
    speed: Annotated[float, Field(ge=0.5, le=2.0)] = 1.0


class Endpointing(Message):
    """How long a pause ends a turn: the short wait after a finished thought, the long one otherwise."""

    finished_ms: Annotated[int, Field(ge=100, le=1500)] = 450
    unfinished_ms: Annotated[int, Field(ge=200, le=1500)] = 800


class LatencyProfile(StrEnum):
    """What to prefer where a quick answer and a patient one pull apart."""

    FAST = "fast"
    BALANCED = "balanced"
    PATIENT = "patient"


class ToolParameter(Message):
    """One argument of a tool, as the model is told about it."""

    type: Literal["string", "number", "integer", "boolean"] = "string"
    description: str = ""
    required: bool = True
    choices: tuple[str, ...] = ()


class Tool(Message):
    """Something the assistant may do in the call by an HTTP request.

    `confirm` has the caller say yes first; `credential` names a stored credential of the tenant.
    """

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
    kind: Literal["http"] = "http"
    description: Annotated[str, Field(min_length=1)]
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"] = "POST"
    url: Annotated[str, Field(pattern=r"^https?://[^\s/?#]+[^\s]*$", max_length=2_000)]
    parameters: dict[str, ToolParameter] = Field(default_factory=dict)
    confirm: bool = False
    timeout_s: Annotated[float, Field(gt=0, le=30)] = 5.0
    credential: str = ""


class Escalation(Message):
    """When a call goes to a person, and to whom: a number or a queue."""

    keywords: Annotated[tuple[str, ...], Field(min_length=1)]
    number: PhoneNumber | None = None
    queue: str = ""
    message: str = "One moment, I am connecting you with a colleague."

    @model_validator(mode="after")
    def _goes_somewhere(self) -> Self:
        if (self.number is None) is (not self.queue):
            raise ValueError("say either a number or a queue to transfer to")
        return self


class CallPhase(StrEnum):
    """The parts of a conversation, in order."""

    CALL_START = "call_start"
    DISCOVERY = "discovery"
    ACTIVE = "active"


class PhaseInstructions(Message):
    """What the assistant is told in one phase, after its prompt."""

    phase: CallPhase
    instructions: Annotated[str, Field(min_length=1)]


class Profession(Message):
    """What a business of this kind asks, books and answers."""

    name: Annotated[str, Field(min_length=1)]
    qualification_questions: tuple[str, ...] = ()
    booking_flow: str = ""
    objection_handlers: dict[str, str] = Field(default_factory=dict)


class AssistantSnapshot(Message):
    """Everything the services need to hold one conversation."""

    id: AssistantSlug
    name: str
    language: Annotated[str, Field(pattern=r"^[a-z]{2}(-[A-Z]{2})?$")] = "en-US"
    greeting: Annotated[str, Field(min_length=1)]
    prompt: str
    apology: Annotated[str, Field(min_length=1)] = (
        "I am sorry, I cannot help you right now. Please call again a little later. Goodbye."
    )
    farewell: Annotated[str, Field(min_length=1)] = "Thank you for calling. Goodbye."
    unanswered: Annotated[str, Field(min_length=1)] = (
        "I am sorry, I do not know that. Is there anything else that I can help you with?"
    )
    fillers: tuple[str, ...] = ()
    filler_after_ms: Annotated[int, Field(ge=50, le=5000)] = 250
    engines: EngineChain = EngineChain()
    voice: Voice = Voice()
    barge_in: bool = True
    latency: LatencyProfile = LatencyProfile.BALANCED
    endpointing: Endpointing = Endpointing()
    memory_turns: Annotated[int, Field(ge=0, le=200)] = 12
    knowledge: tuple[KnowledgeItem, ...] = ()
    knowledge_floor: Annotated[float, Field(ge=0, le=1)] = 0.58
    goodbye_phrases: tuple[str, ...] = ("goodbye", "bye", "bye bye")
    tools: tuple[Tool, ...] = ()
    escalation: Escalation | None = None
    phases: tuple[PhaseInstructions, ...] = ()
    profession: Profession | None = None

    @model_validator(mode="after")
    def _says_each_thing_once(self) -> Self:
        for what, names in (
            ("tool", [t.name for t in self.tools]),
            ("phase", [p.phase for p in self.phases]),
        ):
            if len(set(names)) < len(names):
                raise ValueError(f"two {what}s have one name")
        return self


class NumberSnapshot(Message):
    """A called number resolved: whose it is, how many calls it may hold, and who answers.

    Of the tenant's calls, `tenant_inbound_reserve` are kept for callers: outbound traffic cannot take them.
    `tenant_share` is what its calls get of an engine that other tenants want too. `recording_allowed` is the
    tenant's word that its callers agree to have their calls recorded. Without a `price` its calls are not
    charged by the minute.
    """

    number: PhoneNumber
    tenant: TenantSlug
    tenant_name: str
    subscription_active: bool = True
    active: bool = True
    max_concurrent_calls: Annotated[int, Field(ge=0)] = 1
    tenant_max_concurrent_calls: Annotated[int, Field(ge=0)] = 10
    tenant_inbound_reserve: Count = 0
    tenant_share: Share = 1
    recording_allowed: bool = False
    price: Price | None = None
    revision: Count = 0
    assistant: AssistantSnapshot
