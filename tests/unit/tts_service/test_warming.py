"""Set phrases are made ahead of need: the greeting first, each once, and with time to spare."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest

from contracts.messages import AssistantSnapshot, KnowledgeItem
from runtime.tasks import TaskOwner
from tests.support.clock import ManualClock
from tests.unit.tts_service.scripted import (
    CHUNK_MS,
    ScriptedEngine,
    ScriptedUtterance,
    at,
    cast_of,
    engines_of,
)
from tts_service.cache import PhraseCache
from tts_service.chain import Chain, Sound
from tts_service.ports import Pcm
from tts_service.recording import Recorder
from tts_service.scheduling import Turns
from tts_service.warming import Warmer

ASSISTANT = AssistantSnapshot(
    id="reception",
    name="Reception",
    greeting="Hello. How can I help you?",
    prompt="Be brief.",
    farewell="Goodbye.",
    unanswered="I do not know.",
    apology="I am sorry.",
    knowledge=(
        KnowledgeItem(questions=("When?",), answer="At nine."),
        KnowledgeItem(questions=("Where?",), answer="Here."),
    ),
)
ALL = ["Hello.", "How can I help you?", "Goodbye.", "I do not know.", "I am sorry.", "At nine.", "Here."]
CAST = cast_of("one")


class _SlowEngine(ScriptedEngine):
    """Takes 100 ms of the test's clock for each chunk."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__(2)
        self._clock = clock

    async def advance(self, utterances: Sequence[ScriptedUtterance]) -> list[Pcm | None]:
        await self._clock.sleep(CHUNK_MS / 1000)
        return await super().advance(utterances)


class _Stand:
    def __init__(self, *, limit: int = 40, share: float = 1.0, engine: ScriptedEngine | None = None) -> None:
        self.clock = ManualClock()
        self.engine = engine or _SlowEngine(self.clock)
        self.tasks = TaskOwner("test")
        self.chain = Chain(
            engines_of({"one": self.engine}),
            Recorder(Turns(1, self.clock, self.tasks), self.clock),
            PhraseCache(1_000_000, self.tasks, lambda _: None),
            self.clock,
            rest_s=10.0,
            failed=lambda *_: None,
        )
        self.warmer = Warmer(self.chain, self.clock, share=share, limit=limit)
        self.task = asyncio.ensure_future(self.warmer.run())

    async def until(self, count: int) -> None:
        """Until so many phrases were asked for, and a moment more."""
        async with asyncio.timeout(30):
            while len(self.engine.asked) < count or self.engine.ended < count:
                await asyncio.sleep(0)
                await self.clock.advance(0.01)


@pytest.fixture
async def stand() -> AsyncIterator[_Stand]:
    made = _Stand()
    yield made
    made.task.cancel()
    await made.tasks.close()


async def test_the_greeting_comes_first_and_then_all_that_is_known(stand: _Stand) -> None:
    stand.warmer.wish(ASSISTANT, CAST)
    await stand.until(len(ALL))
    assert stand.engine.texts == ALL


async def test_a_greeting_overtakes_the_answers_of_another_assistant(stand: _Stand) -> None:
    other = ASSISTANT.model_copy(update={"greeting": "Welcome."})
    stand.warmer.wish(ASSISTANT, CAST)
    stand.warmer.wish(other, CAST)
    await stand.until(len(ALL) + 1)
    assert stand.engine.texts.index("Welcome.") == 2


async def test_each_is_made_once_for_all_calls(stand: _Stand) -> None:
    for _ in range(3):
        stand.warmer.wish(ASSISTANT, CAST)
    await stand.until(len(ALL))
    assert stand.engine.texts == ALL


async def test_what_was_warmed_lies_ready(stand: _Stand) -> None:
    stand.warmer.wish(ASSISTANT, CAST)
    await stand.until(len(ALL))
    sounds = [part async for part in stand.chain.speak("At nine.", CAST, at(0.0)) if isinstance(part, Sound)]
    assert [sound.stretch.cached for sound in sounds] == [True]


async def test_no_more_than_so_many_an_assistant() -> None:
    stand = _Stand(limit=2)
    stand.warmer.wish(ASSISTANT, CAST)
    await stand.until(3)
    assert stand.engine.texts == ALL[:3]  # a greeting of two phrases, and the farewell
    stand.task.cancel()


async def test_it_takes_no_more_than_its_share_of_a_core() -> None:
    stand = _Stand(share=0.25)
    stand.warmer.wish(ASSISTANT, CAST)
    await stand.until(2)
    assert stand.engine.texts == ALL[:2]  # 0.4 s of work
    await stand.clock.advance(1.1)
    assert len(stand.engine.asked) == 2
    await stand.clock.advance(0.1)
    await stand.until(3)
    assert stand.engine.texts == ALL[:3]
    stand.task.cancel()


async def test_an_engine_that_fails_does_not_end_it() -> None:
    engine = ScriptedEngine(fails_at=0)
    stand = _Stand(engine=engine)
    stand.warmer.wish(ASSISTANT, CAST)
    await stand.until(6)
    assert engine.texts == [ALL[0], *ALL[2:]]  # the greeting is given up at its first phrase
    assert not stand.task.done()
    stand.task.cancel()
