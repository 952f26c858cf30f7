"""What the llm service needs of the outside: something that continues a conversation in words."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from enum import StrEnum
from itertools import takewhile
from typing import Protocol

from contracts.messages import AssistantSnapshot


class Speaker(StrEnum):
    """Whose line it is; the keypad is the caller, without a voice."""

    CALLER = "caller"
    AGENT = "agent"
    KEYPAD = "keypad"


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the conversation, as it was heard."""

    speaker: Speaker
    text_pii: str


@dataclass(frozen=True, slots=True)
class Prompt:
    """What is to be answered: the assistant, the lines heard so far (the last is the caller's), and what
    the agent has already said of this very answer, which is to be continued and not repeated. `tenant` is
    whose share of the engine it takes.
    """

    assistant: AssistantSnapshot
    lines: tuple[Line, ...]
    said_pii: str = ""
    tenant: str = ""

    @property
    def question_pii(self) -> str:
        """All that the caller said since the agent was last heard, in one string."""
        latest = takewhile(lambda line: line.speaker is not Speaker.AGENT, reversed(self.lines))
        spoken = [line.text_pii for line in latest if line.speaker is Speaker.CALLER]
        return " ".join(reversed(spoken))


@dataclass(frozen=True, slots=True)
class Delta:
    """A piece of the answer. Token counts are totals, on whichever delta they are known (usually the last).

    `cut_short` says that the engine's limit ended the answer, so its last sentence may be a torso.
    """

    text: str = ""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cut_short: bool = False


class LanguageModel(Protocol):
    """An engine that answers. One instance serves every call of the process."""

    async def prepare(self, assistant: AssistantSnapshot) -> None:
        """Do ahead what can be done ahead for this assistant; may be called again, and may do nothing."""
        ...

    def generate(self, prompt: Prompt) -> AsyncGenerator[Delta, None]:
        """Stream the answer. Raises NoAnswer before any text to pass the question on, EngineError when it
        fails. Closing the generator stops the work behind it.
        """
        ...

    async def close(self) -> None:
        """Free everything."""
        ...
