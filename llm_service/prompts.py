"""What a general model is told: who it is, what the business knows, and the conversation so far.

The system text depends on the assistant alone, so that a server which caches prefixes reads it once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from contracts.messages import AssistantSnapshot
from llm_service.ports import Line, Prompt, Speaker

_MANNERS: Final = (
    "You are on the telephone. Answer in one or two short sentences of plain words: no lists, no markdown, "
    "no emoji. If you do not know something, say so."
)
_CONNECTED: Final = "(The call is connected.)"
_CONTINUE: Final = "(Go on from exactly there. Do not repeat what you have said.)"


@dataclass(frozen=True, slots=True)
class ChatMessage:
    """One message of a chat, in the roles that every chat template knows."""

    role: Literal["system", "user", "assistant"]
    content_pii: str


def system_text(assistant: AssistantSnapshot) -> str:
    """The assistant's own prompt, how to speak on the telephone, and its knowledge."""
    parts = [assistant.prompt.strip(), f"{_MANNERS} Speak the language {assistant.language}."]
    if assistant.knowledge:
        facts = (f"- {item.questions[0]} {item.answer}" for item in assistant.knowledge)
        parts.append("\n".join(("What you know:", *facts)))
    return "\n\n".join(part for part in parts if part)


def chat_messages(prompt: Prompt) -> list[ChatMessage]:
    """The conversation as a chat: system first, then user and assistant strictly in turn, user last.

    Some chat templates refuse two messages of one role in a row, or an assistant who speaks first.
    """
    chat = [ChatMessage("system", system_text(prompt.assistant))]
    lines = list(prompt.lines)
    if not lines or lines[0].speaker is Speaker.AGENT:
        _append(chat, "user", _CONNECTED)
    for line in lines:
        _append(chat, "assistant" if line.speaker is Speaker.AGENT else "user", _content(line))
    if prompt.said_pii:
        _append(chat, "assistant", prompt.said_pii)
        _append(chat, "user", _CONTINUE)
    return chat


def _content(line: Line) -> str:
    return f"[keypad {line.text_pii}]" if line.speaker is Speaker.KEYPAD else line.text_pii


def _append(chat: list[ChatMessage], role: Literal["user", "assistant"], content: str) -> None:
    if chat[-1].role == role:
        content = f"{chat.pop().content_pii} {content}"
    chat.append(ChatMessage(role, content))
