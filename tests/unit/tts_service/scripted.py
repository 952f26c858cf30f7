"""An engine that does what a test tells it to: how much it makes, when it waits, when it fails."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from runtime.clock import Clock, SystemClock
from tts_service.casting import Cast, Engines
from tts_service.engines import Factory, Means
from tts_service.ports import Pcm, Phrase, Run, Synthesizer, VoiceInfo
from tts_service.settings import Settings

CHUNK_MS = 100


class ScriptedUtterance:
    """So many chunks of one phrase."""

    def __init__(self, phrase: Phrase, chunks: int, together: int) -> None:
        self.phrase = phrase
        self.made = 0
        self._chunks = chunks
        self._together = together

    @property
    def run(self) -> Run | None:
        return Run("chunk", self._together) if self.made < self._chunks else None


class ScriptedEngine:
    """`chunks` of 100 ms a phrase; fails with `error` at chunk `fails_at`, and whenever it is to say
    `fails_on`; waits at `gate` before each. Of `together` phrases it makes the next chunks in one run.
    """

    def __init__(
        self,
        chunks: int = 3,
        *,
        fails_at: int | None = None,
        fails_on: str | None = None,
        error: BaseException | None = None,
        gate: asyncio.Semaphore | None = None,
        incremental: bool = True,
        together: int = 1,
        voices: tuple[VoiceInfo, ...] = (VoiceInfo("anna", "en-US"), VoiceInfo("boris", "de-DE")),
    ) -> None:
        self.asked: list[Phrase] = []
        self.runs: list[list[str]] = []  # texts, as they were asked for together
        self.made = 0
        self.ended = 0  # phrases that were said to their end, or failed
        self.fails_at = fails_at
        self._chunks = chunks
        self._fails_on = fails_on
        self._error = error or RuntimeError("out of breath")
        self._gate = gate
        self._together = together
        self._voices = tuple(voice._replace(incremental=incremental) for voice in voices)

    def voices(self) -> tuple[VoiceInfo, ...]:
        return self._voices

    def begin(self, phrase: Phrase) -> ScriptedUtterance:
        self.asked.append(phrase)
        return ScriptedUtterance(phrase, self._chunks, self._together)

    async def advance(self, utterances: Sequence[ScriptedUtterance]) -> list[Pcm | None]:
        self.runs.append([utterance.phrase.text for utterance in utterances])
        for utterance in utterances:
            if self._gate is not None:
                await self._gate.acquire()
            if utterance.made == self.fails_at or utterance.phrase.text == self._fails_on:
                self.ended += len(utterances) == 1
                raise self._error
        for utterance in utterances:
            utterance.made += 1
            self.made += 1
            self.ended += utterance.run is None
        return [Pcm(np.full(8 * CHUNK_MS, 0.1, np.float32), 8_000)] * len(utterances)

    @property
    def texts(self) -> list[str]:
        """What it was asked to say, in order."""
        return [phrase.text for phrase in self.asked]


def factory(engine: Synthesizer | BaseException) -> Factory:
    """A factory that gives out `engine`, or raises it."""

    def build(settings: Settings, means: Means) -> Synthesizer:
        if isinstance(engine, BaseException):
            raise engine
        return engine

    return build


def no_models(name: str) -> Path:
    raise AssertionError(f"no test engine needs the model {name}")


_LOADER = ThreadPoolExecutor(1)


def engines_of(engines: Mapping[str, Synthesizer | BaseException], clock: Clock | None = None) -> Engines:
    """The given engines by name, loaded when they are first wanted."""
    means = Means(no_models, _LOADER, clock or SystemClock())
    return Engines({name: factory(engine) for name, engine in engines.items()}, Settings(), means, _LOADER)


def cast_of(*engines: str, voice: str = "", speed: float = 1.0, language: str = "en-US") -> Cast:
    return Cast(engines, voice, speed, language)


def never() -> float:
    return float("inf")


def at(seconds: float) -> Callable[[], float]:
    """A Due that does not change."""
    return lambda: seconds
