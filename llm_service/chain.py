"""The assistant's engines in their order: the first that answers is spoken, a failing one is replaced.

An engine that fails in the middle is replaced too: the next one is told what has been said and goes on.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, replace

from contracts.errors import TrunklineError
from contracts.messages import AssistantSnapshot, EngineFailed, Stage
from llm_service.easing import UNEASED, Easing
from llm_service.errors import EngineCrashed, NoAnswer
from llm_service.ports import Delta, LanguageModel, Prompt
from llm_service.sentences import SentenceSplitter

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Asked:
    """An engine was asked."""

    engine: str


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence is ready to be spoken."""

    text: str
    engine: str


@dataclass(frozen=True, slots=True)
class Answered:
    """The answer is complete."""

    engine: str
    prompt_tokens: int = 0
    completion_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Unanswered:
    """No engine is left. `failed`: at least one failed; otherwise none knew an answer."""

    failed: bool


Part = Asked | Sentence | EngineFailed | Answered | Unanswered


class Chain:
    """Engines by name, in order of preference; `reliefs` are asked only where `easing` says so."""

    def __init__(
        self,
        engines: Mapping[str, LanguageModel],
        easing: Easing = UNEASED,
        reliefs: Mapping[str, LanguageModel] | None = None,
    ) -> None:
        self._names = list(engines)
        self._engines = {**(reliefs or {}), **engines}
        self._reliefs = self._engines.keys() - engines.keys()
        self._easing = easing

    async def prepare(self, assistant: AssistantSnapshot) -> None:
        """Let every engine do ahead what it can. One that cannot will say so when it is asked."""
        for name, engine in self._engines.items():
            try:
                await engine.prepare(assistant)
            except TrunklineError as error:
                log.warning("engine %s could not prepare for %s: %s", name, assistant.id, error)

    async def answer(self, prompt: Prompt) -> AsyncGenerator[Part, None]:
        """The answer in parts, in the order of their making; Answered or Unanswered is the last one."""
        left = deque(self._names)
        asked: set[str] = set()
        failed = False
        while left:
            name = self._easing.relief_of(left[0], self._reliefs - asked) or left.popleft()
            asked.add(name)
            yield Asked(name)
            try:
                async with aclosing(self._ask(name, prompt)) as parts:
                    async for part in parts:
                        if isinstance(part, Sentence):
                            prompt = replace(prompt, said_pii=f"{prompt.said_pii} {part.text}".lstrip())
                        yield part
                return
            except NoAnswer:
                continue
            except TrunklineError as error:
                failure = error
            except Exception as error:  # an engine's bug must cost the caller no more than the engine
                log.exception("engine %s crashed", name)
                failure = EngineCrashed(f"{name} raised {type(error).__name__}", mend="see the log of llm")
            failed = True
            yield EngineFailed(
                stage=Stage.LLM,
                engine=name,
                code=failure.code,
                detail=str(failure),
                retryable=failure.retryable,
                next_engine=left[0] if left else None,
            )
        yield Unanswered(failed)

    async def _ask(self, name: str, prompt: Prompt) -> AsyncGenerator[Sentence | Answered, None]:
        """One engine's answer. A torso that its token limit left is not spoken, unless it is all there is."""
        splitter = SentenceSplitter()
        prompt = self._easing.fitting(name, prompt)
        spoke = bool(prompt.said_pii)
        tokens, cut_short = Delta(), False
        async with aclosing(self._engines[name].generate(prompt)) as deltas:
            async for delta in deltas:
                tokens = _more(tokens, delta)
                cut_short = cut_short or delta.cut_short
                for text in splitter.feed(delta.text):
                    spoke = True
                    yield Sentence(text, name)
        rest = splitter.flush()
        if cut_short and (spoke or len(rest) > 1) and rest and rest[-1][-1] not in ".!?":
            rest = rest[:-1]
        for text in rest:
            yield Sentence(text, name)
        if not (spoke or rest):
            raise NoAnswer(f"{name} ended its answer without a word")
        yield Answered(name, tokens.prompt_tokens, tokens.completion_tokens)


def _more(tokens: Delta, delta: Delta) -> Delta:
    return Delta(
        prompt_tokens=max(tokens.prompt_tokens, delta.prompt_tokens),
        completion_tokens=max(tokens.completion_tokens, delta.completion_tokens),
    )
