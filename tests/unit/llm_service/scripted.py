"""An engine that does what a test tells it, which a real one cannot be made to do at a chosen moment, and the
assistant and turns that it is tried on.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from contracts.messages import AssistantSnapshot, EngineChain, KnowledgeItem, TurnEnded
from llm_service.ports import Delta, Prompt

Step = str | Delta | BaseException | asyncio.Event


class ScriptedEngine:
    """Each `generate` follows the next script (the last one again and again): a text is streamed, an
    exception raised, an event awaited.
    """

    def __init__(self, *scripts: list[Step]) -> None:
        self.scripts = list(scripts)
        self.prompts: list[Prompt] = []
        self.prepared: list[str] = []
        self.ended = 0
        self.closed = False

    async def prepare(self, assistant: AssistantSnapshot) -> None:
        self.prepared.append(assistant.id)

    async def generate(self, prompt: Prompt) -> AsyncGenerator[Delta, None]:
        script = self.scripts[min(len(self.prompts), len(self.scripts) - 1)]
        self.prompts.append(prompt)
        try:
            for step in script:
                if isinstance(step, asyncio.Event):
                    await step.wait()
                elif isinstance(step, BaseException):
                    raise step
                else:
                    yield Delta(step) if isinstance(step, str) else step
        finally:
            self.ended += 1

    async def close(self) -> None:
        self.closed = True


def assistant(**changes: object) -> AssistantSnapshot:
    """A small dental practice."""
    values: dict[str, object] = {
        "id": "front-desk",
        "name": "Front desk",
        "greeting": "Bright Smile, good morning. How can I help you?",
        "prompt": "You answer the phone of a dental practice.",
        "apology": "I am sorry, that does not work now. Goodbye.",
        "farewell": "Thank you for calling. Goodbye.",
        "unanswered": "I do not know that. Anything else?",
        "engines": EngineChain(llm=("synthetic",)),
        "knowledge": (
            KnowledgeItem(
                questions=("Are you open on Saturday?", "What are your opening hours?"),
                answer="On Saturday we are open from nine to one. On Sunday we are closed.",
            ),
            KnowledgeItem(questions=("How much does a cleaning cost?",), answer="A cleaning costs $95."),
        ),
    }
    return AssistantSnapshot.model_validate(values | changes)


def turn(number: int, text: str) -> TurnEnded:
    """What stt says at the end of a turn."""
    return TurnEnded(
        turn=number,
        text_pii=text,
        language="en",
        confidence=0.9,
        speech_started_us=0,
        speech_ended_us=1,
        decided_us=2,
        audio_ms=1.0,
        decode_ms=1.0,
        engine="test",
    )
