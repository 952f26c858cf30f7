"""What every language engine keeps to; each adapter's tests inherit this."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

from contracts.messages import AssistantSnapshot
from llm_service.ports import Delta, LanguageModel, Line, Prompt, Speaker
from tests.unit.llm_service.scripted import assistant


class LanguageModelSuite:
    """A subclass gives an `engine` fixture; `QUESTION` is one that the engine answers."""

    QUESTION = "Are you open on Saturday?"

    def prompt(self, said: str = "", snapshot: AssistantSnapshot | None = None) -> Prompt:
        lines = (Line(Speaker.AGENT, "Good morning."), Line(Speaker.CALLER, self.QUESTION))
        return Prompt(snapshot or assistant(), lines, said)

    async def collect(self, engine: LanguageModel, prompt: Prompt | None = None) -> list[Delta]:
        return [delta async for delta in engine.generate(prompt or self.prompt())]

    async def test_an_answer_has_words(self, engine: LanguageModel) -> None:
        text = "".join(delta.text for delta in await self.collect(engine))
        assert any(char.isalpha() for char in text)

    async def test_token_counts_are_totals_on_the_last_delta_that_has_them(
        self, engine: LanguageModel
    ) -> None:
        deltas = await self.collect(engine)
        counted = [delta.completion_tokens for delta in deltas if delta.completion_tokens]
        assert counted == sorted(counted)

    async def test_preparing_twice_is_harmless(self, engine: LanguageModel) -> None:
        await engine.prepare(assistant())
        await engine.prepare(assistant())
        assert await self.collect(engine)

    async def test_preparing_without_knowledge_is_harmless(self, engine: LanguageModel) -> None:
        await engine.prepare(assistant(knowledge=()))

    async def test_two_calls_are_answered_at_once(self, engine: LanguageModel) -> None:
        answers = await asyncio.gather(self.collect(engine), self.collect(engine))
        assert all("".join(delta.text for delta in answer) for answer in answers)

    async def test_an_answer_may_be_left_in_the_middle(self, engine: LanguageModel) -> None:
        async with aclosing(engine.generate(self.prompt())) as deltas:
            async for _ in deltas:
                break
        assert await self.collect(engine), "the next one is answered"

    async def test_a_cancelled_answer_disturbs_no_other(self, engine: LanguageModel) -> None:
        task = asyncio.create_task(self.collect(engine))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait({task})
        assert await self.collect(engine)
