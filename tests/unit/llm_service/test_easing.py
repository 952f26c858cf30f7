"""Under load an engine is told less, then relieved: and nobody's question is lost over it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.messages import EngineFailed
from llm_service.chain import Answered, Asked, Chain, Part, Sentence
from llm_service.easing import Eased, Easing, EasingRules, latest
from llm_service.errors import EngineUnavailable, NoAnswer
from llm_service.ports import Line, Prompt, Speaker
from runtime.fair_queue import FairGate
from tests.support.clock import ManualClock
from tests.unit.llm_service.scripted import ScriptedEngine, assistant

CALLER, AGENT = Speaker.CALLER, Speaker.AGENT
SPOKEN = [Line(speaker, str(at)) for at in range(4) for speaker in (CALLER, AGENT)]
LINES = (*SPOKEN, Line(CALLER, "?"))
PROMPT = Prompt(assistant(), LINES)


class Stand:
    """An engine `model` and its relief `small`, each with one slot in which work takes a second."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.gates = {name: FairGate(1, self.clock) for name in ("model", "small")}
        self.model, self.small = ScriptedEngine(["Yes."]), ScriptedEngine(["Well."])
        self.told: list[tuple[str, Eased]] = []
        rules = EasingRules(too_long_s=0.15, exchanges=2, reliefs={"model": "small"})
        self.easing = Easing(self.gates, rules, lambda engine, how: self.told.append((engine, how)))

    @asynccontextmanager
    async def busy(self, *names: str) -> AsyncIterator[None]:
        """Each of these has worked for a second, and somebody is in its slot."""
        for name in names:
            async with self.gates[name].turn("acme"):
                self.clock.tick(1.0)
        async with AsyncExitStack() as held:
            for name in names:
                await held.enter_async_context(self.gates[name].turn("acme"))
            yield

    async def answer(self, **engines: ScriptedEngine) -> list[Part]:
        chain = Chain(engines or {"model": self.model}, self.easing, {"small": self.small})
        return [part async for part in chain.answer(PROMPT)]


async def test_without_load_the_engine_is_asked_and_told_everything() -> None:
    stand = Stand()
    assert await stand.answer() == [Asked("model"), Sentence("Yes.", "model"), Answered("model")]
    assert [prompt.lines for prompt in stand.model.prompts] == [LINES]
    assert (stand.told, stand.small.prompts) == ([], [])


async def test_an_engine_at_which_many_wait_is_relieved() -> None:
    stand = Stand()
    async with stand.busy("model"):
        assert await stand.answer() == [Asked("small"), Sentence("Well.", "small"), Answered("small")]
    assert stand.told == [("model", Eased.RELIEVED)]
    assert stand.model.prompts == []


async def test_where_its_relief_is_as_slow_it_is_told_less() -> None:
    stand = Stand()
    async with stand.busy("model", "small"):
        assert (await stand.answer())[-1] == Answered("model")
    assert stand.told == [("model", Eased.SHORTER)]
    assert [[line.text_pii for line in prompt.lines] for prompt in stand.model.prompts] == [
        ["2", "2", "3", "3", "?"]
    ]


@pytest.mark.parametrize("why", [EngineUnavailable("it is down"), NoAnswer("who knows")])
async def test_who_cannot_relieve_costs_nobody_the_answer(why: Exception) -> None:
    stand = Stand()
    stand.small = ScriptedEngine([why])
    async with stand.busy("model"):
        parts = await stand.answer()
    assert [part.engine for part in parts if isinstance(part, Asked)] == ["small", "model"]
    assert [part.next_engine for part in parts if isinstance(part, EngineFailed)] in ([], ["model"])
    assert parts[-1] == Answered("model")


async def test_an_engine_that_need_not_be_asked_is_not_relieved() -> None:
    stand = Stand()
    async with stand.busy("model"):
        parts = await stand.answer(faq=ScriptedEngine(["At nine."]), model=stand.model)
    assert [part.engine for part in parts if isinstance(part, Asked)] == ["faq"]
    assert stand.told == []


async def test_a_relief_that_has_its_own_place_in_the_chain_keeps_it() -> None:
    stand = Stand()
    async with stand.busy("model"):
        parts = await stand.answer(model=stand.model, small=stand.small)
    assert parts[0] == Asked("model")
    assert (Eased.RELIEVED in [how for _, how in stand.told]) is False


@given(st.lists(st.sampled_from(Speaker), max_size=30), st.integers(0, 8))
def test_of_a_conversation_the_last_exchanges_are_kept_and_always_the_question(
    speakers: list[Speaker], exchanges: int
) -> None:
    lines = tuple(Line(speaker, str(at)) for at, speaker in enumerate(speakers))
    kept = latest(lines, exchanges)
    assert lines[len(lines) - len(kept) :] == kept
    assert sum(line.speaker is AGENT for line in kept) == min(
        exchanges, sum(line.speaker is AGENT for line in lines)
    )
    assert Prompt(assistant(), kept).question_pii == Prompt(assistant(), lines).question_pii
    if len(kept) < len(lines):
        assert lines[-len(kept) - 1].speaker is AGENT if kept else lines[-1].speaker is AGENT
