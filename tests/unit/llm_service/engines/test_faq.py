from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest

from contracts.messages import AssistantSnapshot, KnowledgeItem
from llm_service.engines.faq import FaqEngine, MiniLm, Vector, load, readings
from llm_service.errors import EngineNotInstalled, NoAnswer
from llm_service.ports import Line, Prompt, Speaker
from llm_service.settings import Settings
from models.errors import ModelMissing
from models.store import ModelStore
from tests.unit.llm_service.engines.port_suite import LanguageModelSuite
from tests.unit.llm_service.phrasings import DENTIST, HOTEL, Business
from tests.unit.llm_service.scripted import assistant


@pytest.fixture(scope="module")
def minilm(model_store: ModelStore) -> MiniLm:
    return MiniLm(model_store.path("minilm-int8"), threads=1)


class Counting:
    """The real embedding, counted."""

    def __init__(self, minilm: MiniLm) -> None:
        self.minilm = minilm
        self.texts: list[str] = []
        self.threads: set[int] = set()

    def embed(self, text: str) -> Vector:
        self.texts.append(text)
        self.threads.add(threading.get_ident())
        return self.minilm.embed(text)


@pytest.fixture
def counting(minilm: MiniLm) -> Counting:
    return Counting(minilm)


@pytest.fixture
async def engine(counting: Counting) -> AsyncIterator[FaqEngine]:
    engine = FaqEngine(counting.embed, most_indexes=2)
    yield engine
    await engine.close()


def asking(question: str, said: str = "", snapshot: AssistantSnapshot | None = None) -> Prompt:
    return Prompt(snapshot or assistant(), (Line(Speaker.CALLER, question),), said)


async def answer(engine: FaqEngine, prompt: Prompt) -> str:
    return "".join([delta.text async for delta in engine.generate(prompt)])


class TestFaqEngine(LanguageModelSuite):
    @pytest.fixture
    def engine(self, engine: FaqEngine) -> FaqEngine:
        return engine


def test_an_embedding_is_a_unit_vector_and_the_same_every_time(minilm: MiniLm) -> None:
    one = minilm.embed("Are you open on Saturday?")
    assert one.shape == (384,)
    assert np.linalg.norm(one) == pytest.approx(1, abs=1e-5)
    assert np.array_equal(one, minilm.embed("Are you open on Saturday?"))


def test_a_text_without_end_is_embedded_by_its_beginning(minilm: MiniLm) -> None:
    assert np.array_equal(minilm.embed("open " * 300), minilm.embed("open " * 3000))


async def test_the_item_that_was_meant_answers(engine: FaqEngine) -> None:
    assert (
        await answer(engine, asking("What does it cost to get my teeth cleaned?")) == "A cleaning costs $95."
    )


async def test_what_nobody_wrote_down_has_no_answer(engine: FaqEngine) -> None:
    with pytest.raises(NoAnswer, match=r"at 0\.\d\d"):
        await answer(engine, asking("Who won the football game?"))


async def test_without_knowledge_there_is_no_answer(engine: FaqEngine, counting: Counting) -> None:
    with pytest.raises(NoAnswer):
        await answer(engine, asking("Are you open?", snapshot=assistant(knowledge=())))
    assert counting.texts == []


async def test_the_assistant_sets_its_own_floor(engine: FaqEngine) -> None:
    question = "Who won the football game?"
    assert await answer(engine, asking(question, snapshot=assistant(knowledge_floor=0.0)))
    with pytest.raises(NoAnswer):
        await answer(engine, asking("Are you open on Saturdays?", snapshot=assistant(knowledge_floor=1.0)))


async def test_a_question_among_other_words_is_found(engine: FaqEngine) -> None:
    question = "Okay, that is very kind of you, thank you. I see. And how much does a cleaning cost?"
    assert await answer(engine, asking(question)) == "A cleaning costs $95."


def test_a_turn_is_read_whole_and_by_its_last_sentences() -> None:
    assert readings("Are you open?") == ("Are you open?",)
    turn = "One is here now. Two is here now. Okay. Three is here now. Four is here now."
    assert readings(turn) == (turn, "Two is here now.", "Three is here now.", "Four is here now.")


async def test_it_goes_on_from_its_own_words_only(engine: FaqEngine) -> None:
    question = "Are you open on Saturday?"
    begun = "On Saturday we are open from nine to one."
    assert await answer(engine, asking(question, said=begun)) == "On Sunday we are closed."
    with pytest.raises(NoAnswer):
        await answer(engine, asking(question, said="Let me think."))


async def test_knowledge_is_embedded_once_however_many_calls_use_it(
    engine: FaqEngine, counting: Counting
) -> None:
    await asyncio.gather(*(engine.prepare(assistant(id=f"a{number}")) for number in range(5)))
    assert sorted(counting.texts) == sorted(
        text for item in assistant().knowledge for text in (*item.questions, item.answer)
    )
    counting.texts.clear()
    await answer(engine, asking("Are you open on Saturday?"))
    assert counting.texts == ["Are you open on Saturday?"]


async def test_changed_knowledge_is_embedded_anew(engine: FaqEngine, counting: Counting) -> None:
    await engine.prepare(assistant())
    changed = (KnowledgeItem(questions=("Are you open on Saturday?",), answer="No longer."),)
    snapshot = assistant(knowledge=changed)
    assert await answer(engine, asking("Are you open on Saturday?", snapshot=snapshot)) == "No longer."


async def test_the_index_that_was_not_used_for_longest_is_forgotten(
    engine: FaqEngine, counting: Counting
) -> None:
    def knowing(answer: str) -> AssistantSnapshot:
        return assistant(knowledge=(KnowledgeItem(questions=("When?",), answer=answer),))

    for text in ("one", "two", "one", "three"):
        await engine.prepare(knowing(text))
    counting.texts.clear()
    await engine.prepare(knowing("one"))
    assert counting.texts == []
    await engine.prepare(knowing("two"))
    assert counting.texts == ["When?", "two"]


async def test_a_failed_index_is_made_again(minilm: MiniLm) -> None:
    failures = [MemoryError("no room")]

    def embed(text: str) -> Vector:
        if failures:
            raise failures.pop()
        return minilm.embed(text)

    engine = FaqEngine(embed, most_indexes=2)
    with pytest.raises(MemoryError):
        await engine.prepare(assistant())
    await engine.prepare(assistant())
    await engine.close()


async def test_embedding_happens_beside_the_loop(engine: FaqEngine, counting: Counting) -> None:
    await answer(engine, asking("Are you open on Saturday?"))
    assert threading.get_ident() not in counting.threads


def test_a_model_that_is_not_there_is_named(tmp_path: Path, model_store: ModelStore) -> None:
    with pytest.raises(ModelMissing, match="'no-such-model'"):
        load(Settings(llm_faq_model="no-such-model"), model_store)
    with pytest.raises(EngineNotInstalled, match="TRUNKLINE_LLM_FAQ_MODEL"):
        load(Settings(llm_faq_model=str(tmp_path)), model_store)


@pytest.mark.parametrize(
    ("business", "least_right", "most_wrong", "most_unknown"),
    [(DENTIST, 0.7, 1, 2), (HOTEL, 0.75, 0, 0)],
    ids=["dentist", "hotel"],
)
async def test_the_default_floor_lets_through_what_was_measured(
    business: Business, least_right: float, most_wrong: int, most_unknown: int, minilm: MiniLm
) -> None:
    """Real phrasings against the default floor: a wrong answer is worse than asking the next engine."""
    engine = FaqEngine(minilm.embed, most_indexes=1)
    floor = assistant().knowledge_floor
    asked = [(at, text) for at, texts in enumerate(business.asked) for text in texts]
    found = [(at, *await engine.best(business.knowledge, text)) for at, text in asked]
    right = sum(similarity >= floor and item == at for at, item, similarity in found)
    wrong = sum(similarity >= floor and item != at for at, item, similarity in found)
    unknown = [(await engine.best(business.knowledge, text))[1] for text in business.unknown]
    await engine.close()
    assert right / len(asked) >= least_right
    assert wrong <= most_wrong
    assert sum(similarity >= floor for similarity in unknown) <= most_unknown


@pytest.mark.parametrize("business", [DENTIST, HOTEL], ids=["dentist", "hotel"])
async def test_an_items_own_questions_always_find_it(business: Business, minilm: MiniLm) -> None:
    engine = FaqEngine(minilm.embed, most_indexes=1)
    for at, item in enumerate(business.knowledge):
        for question in item.questions:
            found, similarity = await engine.best(business.knowledge, question)
            assert (found, similarity >= assistant().knowledge_floor) == (at, True), question
    await engine.close()
