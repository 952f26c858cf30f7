"""What a call needs of the configuration: the merged, validated snapshot that router publishes to KV.

A call keeps the snapshot it started with.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from contracts.identities import PhoneNumber, TenantSlug
from contracts.messages.base import Count, Message

EngineName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]*$")]


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


class AssistantSnapshot(Message):
    """Everything the services need to hold one conversation."""

    id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$")]
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
    endpointing: Endpointing = Endpointing()
    memory_turns: Annotated[int, Field(ge=0, le=200)] = 12
    knowledge: tuple[KnowledgeItem, ...] = ()
    knowledge_floor: Annotated[float, Field(ge=0, le=1)] = 0.58
    goodbye_phrases: tuple[str, ...] = ("goodbye", "bye", "bye bye")


class NumberSnapshot(Message):
    """A called number resolved: whose it is, how many calls it may hold, and who answers.

    `recording_allowed` is the tenant's word that its callers agree to have their calls recorded.
    """

    number: PhoneNumber
    tenant: TenantSlug
    tenant_name: str
    subscription_active: bool = True
    active: bool = True
    max_concurrent_calls: Annotated[int, Field(ge=0)] = 1
    tenant_max_concurrent_calls: Annotated[int, Field(ge=0)] = 10
    recording_allowed: bool = False
    revision: Count = 0
    assistant: AssistantSnapshot
