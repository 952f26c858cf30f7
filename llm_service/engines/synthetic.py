"""The same answer to everything, at a set pace: for load tests, where the model's time must be known."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator

from contracts.messages import AssistantSnapshot
from llm_service.errors import NoAnswer
from llm_service.ports import Delta, Prompt
from llm_service.sentences import left_to_say
from runtime.clock import Clock


class SyntheticEngine:
    """Streams a fixed text by words: the first after `first_token_s`, each further one after `token_s`."""

    def __init__(self, text: str, *, first_token_s: float, token_s: float, clock: Clock) -> None:
        self._text = text
        self._first_token_s = first_token_s
        self._token_s = token_s
        self._clock = clock

    async def prepare(self, assistant: AssistantSnapshot) -> None:
        """Nothing to do."""

    async def generate(self, prompt: Prompt) -> AsyncGenerator[Delta, None]:
        """The text, or what is left of it after what was said; raises NoAnswer after other words."""
        text = left_to_say(self._text, prompt.said_pii)
        if text is None:
            raise NoAnswer("the synthetic engine cannot go on from another engine's words")
        words = re.findall(r"\s*\S+", text)
        for index, word in enumerate(words):
            wait_s = self._token_s if index else self._first_token_s
            if wait_s:
                await self._clock.sleep(wait_s)
            yield Delta(word)
        yield Delta(prompt_tokens=len(prompt.question_pii.split()), completion_tokens=len(words))

    async def close(self) -> None:
        """Nothing to free."""
