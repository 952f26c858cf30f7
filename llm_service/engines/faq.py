"""Answers from the assistant's knowledge, in milliseconds: the item whose questions mean what was asked.

A turn is compared with each item by the mean of two cosines: with the nearest of its questions, and with the
centre of its questions and answer. The first finds the right item, the second keeps one stray question from
speaking for it ("Is there a dentist for children?" against "What is the name of the dentist?"). A turn of
several sentences is judged by each of them as well: "Okay, thank you. And is there parking?".

Measured on two businesses (tests/unit/llm_service/phrasings.py): see the README for what the default floor
lets through.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnxruntime
import tokenizers
from numpy.typing import NDArray

from contracts.messages import AssistantSnapshot, KnowledgeItem
from llm_service.errors import EngineNotInstalled, NoAnswer
from llm_service.ports import Delta, Prompt
from llm_service.sentences import SentenceSplitter, left_to_say
from llm_service.settings import Settings
from models.store import ModelStore

Vector = NDArray[np.float32]
Knowledge = tuple[KnowledgeItem, ...]

_LONGEST_TOKENS: Final = 256
_LEAST_WORDS: Final = 3
_MOST_SENTENCES: Final = 3


class MiniLm:
    """all-MiniLM-L6-v2, int8, on onnxruntime: a text in, a unit vector of 384 numbers out. Blocks."""

    def __init__(self, folder: Path, threads: int) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        try:
            self._session: Any = onnxruntime.InferenceSession(
                str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"]
            )
            self._tokenizer = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
        except Exception as error:
            raise EngineNotInstalled(
                f"{folder} holds no embedding model that can be read: {error}",
                mend="correct TRUNKLINE_LLM_FAQ_MODEL, or install the model again",
            ) from error
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(_LONGEST_TOKENS)

    def embed(self, text: str) -> Vector:
        """The mean of the last layer over all tokens, at length 1."""
        encoded = self._tokenizer.encode(text)
        ids = np.array([encoded.ids], np.int64)
        feed = {
            "input_ids": ids,
            "attention_mask": np.ones_like(ids),
            "token_type_ids": np.zeros_like(ids),
        }
        states: NDArray[np.float32] = self._session.run(None, feed)[0]
        return _unit(states[0].mean(axis=0))


@dataclass(frozen=True, slots=True)
class Index:
    """The knowledge of one assistant as vectors: `questions` [Q, 384], the item that each belongs to [Q], and
    the `centres` of the items [K, 384].
    """

    questions: Vector
    item_of: NDArray[np.intp]
    centres: Vector

    def similarities(self, asked: Vector) -> Vector:
        """How near each item is, 1 being the same: the mean of its nearest question and its centre."""
        nearest = np.full(len(self.centres), -1, np.float32)
        np.maximum.at(nearest, self.item_of, self.questions @ asked)
        return ((nearest + self.centres @ asked) / 2).astype(np.float32)


class FaqEngine:
    """Says the answer of the nearest item, or raises NoAnswer when none reaches the assistant's floor."""

    def __init__(self, embed: Callable[[str], Vector], most_indexes: int) -> None:
        self._embed = embed
        self._most_indexes = most_indexes
        self._indexes: OrderedDict[Knowledge, asyncio.Task[Index]] = OrderedDict()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="faq")

    async def prepare(self, assistant: AssistantSnapshot) -> None:
        """Embed the assistant's knowledge, once for as long as it is the same."""
        if assistant.knowledge:
            await self._index(assistant.knowledge)

    async def generate(self, prompt: Prompt) -> AsyncGenerator[Delta, None]:
        """The answer in one piece, or what is left of it after what was said."""
        knowledge = prompt.assistant.knowledge
        item, similarity = await self.best(knowledge, prompt.question_pii) if knowledge else (0, 0.0)
        if not knowledge or similarity < prompt.assistant.knowledge_floor:
            raise NoAnswer(f"the nearest item is at {similarity:.2f}")
        left = left_to_say(knowledge[item].answer, prompt.said_pii)
        if left is None:
            raise NoAnswer("another engine has begun to answer in other words")
        yield Delta(left)

    async def best(self, knowledge: Knowledge, question: str) -> tuple[int, float]:
        """The position of the item nearest to `question`, and its similarity."""
        index = await self._index(knowledge)
        best = (0, -1.0)
        for text in readings(question):
            near = index.similarities(await self._vector(text))
            item = int(near.argmax())
            best = max(best, (item, float(near[item])), key=lambda found: found[1])
        return best

    async def close(self) -> None:
        """Stop the thread."""
        for task in self._indexes.values():
            task.cancel()
        self._thread.shutdown(wait=True, cancel_futures=True)

    async def _index(self, knowledge: Knowledge) -> Index:
        """The index of this knowledge, made at most once at a time however many calls ask for it."""
        task = self._indexes.get(knowledge)
        if task is None or (task.done() and (task.cancelled() or task.exception() is not None)):
            task = asyncio.get_running_loop().create_task(self._make_index(knowledge), name="faq:index")
            self._indexes[knowledge] = task
            while len(self._indexes) > self._most_indexes:
                self._indexes.popitem(last=False)
        self._indexes.move_to_end(knowledge)
        return await asyncio.shield(task)  # a caller who hangs up must not spoil it for the others

    async def _make_index(self, knowledge: Knowledge) -> Index:
        """One text at a time, so that a turn of another call waits for one text and not for an assistant."""
        questions = [(at, text) for at, item in enumerate(knowledge) for text in item.questions]
        vectors = np.stack([await self._vector(text) for _, text in questions])
        item_of = np.array([at for at, _ in questions], np.intp)
        answers = [await self._vector(item.answer) for item in knowledge]
        centres = [_unit(vectors[item_of == at].sum(axis=0) + answer) for at, answer in enumerate(answers)]
        return Index(vectors, item_of, np.stack(centres))

    async def _vector(self, text: str) -> Vector:
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._embed, text)


def readings(question: str) -> Sequence[str]:
    """The turn as a whole and, when it has several sentences, the last three that say something."""
    splitter = SentenceSplitter(longest=10_000)
    sentences = [*splitter.feed(question), *splitter.flush()]
    telling = [text for text in sentences if len(text.split()) >= _LEAST_WORDS]
    return (question,) if len(sentences) < 2 else (question, *telling[-_MOST_SENTENCES:])


def load(settings: Settings, models: ModelStore) -> FaqEngine:
    """The engine with its model loaded; raises a ModelError or EngineNotInstalled when it is not there."""
    return FaqEngine(
        MiniLm(models.path(settings.llm_faq_model), settings.llm_faq_threads).embed, settings.llm_faq_indexes
    )


def _unit(vector: Vector) -> Vector:
    unit: Vector = vector / np.linalg.norm(vector)
    return unit
