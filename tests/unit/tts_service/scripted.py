"""An engine that does what a test tells it to: how much it makes, when it waits, when it fails."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from runtime.clock import Clock, SystemClock
from tts_service.casting import Cast, Engines
from tts_service.engines import Factory, Means
from tts_service.ports import Pcm, Phrase, Synthesizer, VoiceInfo
from tts_service.settings import Settings

CHUNK_MS = 100


class ScriptedEngine:
    """`chunks` of 100 ms a phrase; fails with `error` at chunk `fails_at`; waits at `gate` before each."""

    def __init__(
        self,
        chunks: int = 3,
        *,
        fails_at: int | None = None,
        error: BaseException | None = None,
        gate: asyncio.Semaphore | None = None,
        incremental: bool = True,
        voices: tuple[VoiceInfo, ...] = (VoiceInfo("anna", "en-US"), VoiceInfo("boris", "de-DE")),
    ) -> None:
        self.asked: list[Phrase] = []
        self.made = 0
        self.closed = 0
        self._chunks = chunks
        self.fails_at = fails_at
        self._error = error or RuntimeError("out of breath")
        self._gate = gate
        self._incremental = incremental
        self._voices = voices

    @property
    def incremental(self) -> bool:
        return self._incremental

    def voices(self) -> tuple[VoiceInfo, ...]:
        return self._voices

    async def synthesize(self, phrase: Phrase) -> AsyncGenerator[Pcm, None]:
        self.asked.append(phrase)
        try:
            for chunk in range(self._chunks):
                if self._gate is not None:
                    await self._gate.acquire()
                if chunk == self.fails_at:
                    raise self._error
                self.made += 1
                yield Pcm(np.full(8 * CHUNK_MS, 0.1, np.float32), 8_000)
        finally:
            self.closed += 1

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
