from __future__ import annotations

import asyncio

import pytest

from llm_service.engines.synthetic import SyntheticEngine
from llm_service.errors import NoAnswer
from llm_service.ports import Delta
from llm_service.sentences import SentenceSplitter
from llm_service.settings import Settings
from runtime.clock import SystemClock
from tests.support.clock import ManualClock
from tests.unit.llm_service.engines.port_suite import LanguageModelSuite

TEXT = Settings().llm_synthetic_text


class TestSyntheticEngine(LanguageModelSuite):
    @pytest.fixture
    def engine(self) -> SyntheticEngine:
        return SyntheticEngine(TEXT, first_token_s=0, token_s=0, clock=SystemClock())

    async def test_by_default_it_is_twelve_words_in_two_sentences(self, engine: SyntheticEngine) -> None:
        *words, last = await self.collect(engine)
        splitter = SentenceSplitter()
        text = "".join(delta.text for delta in words)
        assert len(words) == 12
        assert len([*splitter.feed(text), *splitter.flush()]) == 2
        assert last == Delta(prompt_tokens=5, completion_tokens=12)

    async def test_it_says_the_same_every_time(self, engine: SyntheticEngine) -> None:
        assert await self.collect(engine) == await self.collect(engine)

    async def test_words_come_at_the_set_pace(self) -> None:
        clock = ManualClock()
        engine = SyntheticEngine("One two three.", first_token_s=0.5, token_s=0.1, clock=clock)
        got: list[tuple[float, str]] = []

        async def listen() -> None:
            async for delta in engine.generate(self.prompt()):
                got.append((round(clock.monotonic_s(), 3), delta.text))  # noqa: PERF401 - times matter

        task = asyncio.create_task(listen())
        await clock.advance(1.0)
        await task
        assert got[:3] == [(0.5, "One"), (0.6, " two"), (0.7, " three.")]

    async def test_it_goes_on_from_its_own_words_only(self, engine: SyntheticEngine) -> None:
        first, second = "Thank you for asking about that today.", "Here is your synthetic answer."
        left = await self.collect(engine, self.prompt(said=first))
        assert "".join(delta.text for delta in left) == second
        with pytest.raises(NoAnswer):
            await self.collect(engine, self.prompt(said="We are open."))
