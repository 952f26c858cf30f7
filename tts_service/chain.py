"""An assistant's engines in their order: the first that can speaks a sentence, the next one the rest.

An engine that fails says so once per sentence and is then asked last for a while, so that no later sentence
waits for it in vain. What was heard is never said twice: the next engine begins with the phrase that failed,
unless some of that phrase was out already; then nobody knows where to go on, and the sentence ends there.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from contracts.errors import TrunklineError
from contracts.messages import EngineFailed, Stage
from runtime.clock import Clock
from tts_service.cache import PhraseCache, PhraseKey, Stretch
from tts_service.casting import Cast, Engines, choose_voice
from tts_service.errors import Unsaid
from tts_service.phrasing import phrases
from tts_service.ports import Due, Phrase
from tts_service.recording import Recorder
from tts_service.spoken import spoken

log = logging.getLogger(__name__)

EngineFailure = Callable[[str, str], None]
"""Counts a failure: engine and error code."""


class Sound(NamedTuple):
    """A stretch of a sentence, and who speaks it."""

    stretch: Stretch
    engine: str
    voice: str


class Chain:
    """Speaks sentences for every call of the process."""

    def __init__(
        self,
        engines: Engines,
        recorder: Recorder,
        cache: PhraseCache,
        clock: Clock,
        *,
        rest_s: float,
        failed: EngineFailure,
    ) -> None:
        self._engines = engines
        self._recorder = recorder
        self._cache = cache
        self._clock = clock
        self._rest_s = rest_s
        self._failed = failed
        self._resting_until_s: dict[str, float] = {}

    async def speak(self, text: str, cast: Cast, due: Due) -> AsyncGenerator[Sound | EngineFailed, None]:
        """The sentence as frames, with the failures on the way; nothing where the text has no sound.

        Raises Unsaid when no engine spoke it to its end.
        """
        left = _Left(spoken(text, cast.language))
        if not left.text:
            return
        names = self._rested_first(cast.engines)
        for name, following in zip(names, (*names[1:], None), strict=True):
            try:
                async with aclosing(self._speak_with(name, left, cast, due)) as sounds:
                    async for sound in sounds:
                        yield sound
                return
            except TrunklineError as error:
                yield self._failure(name, error, None if left.begun else following)
                if left.begun:
                    raise Unsaid(f"{name} failed inside a phrase that was being heard") from error
        raise Unsaid(f"none of {', '.join(names)} could speak", mend="their failures say why")

    async def _speak_with(self, name: str, left: _Left, cast: Cast, due: Due) -> AsyncGenerator[Sound, None]:
        engine = await self._engines.get(name)
        voice = choose_voice(engine.voices(), cast.voice, cast.language)
        pieces = phrases(left.text, incremental=voice.incremental)
        for at, piece in enumerate(pieces):
            left.text, left.begun = " ".join(pieces[at:]), False
            key = PhraseKey(name, voice.name, cast.language, cast.speed, piece)
            phrase = Phrase(piece, voice.name, cast.speed, cast.language)
            make = partial(self._recorder.record, name, engine, phrase, tenant=cast.tenant)
            async with aclosing(self._cache.phrase(key, make, due)) as stretches:
                async for stretch in stretches:
                    left.begun = left.begun or bool(stretch.frames)
                    yield Sound(stretch, name, voice.name)

    def _rested_first(self, names: tuple[str, ...]) -> tuple[str, ...]:
        now_s = self._clock.monotonic_s()
        return tuple(sorted(names, key=lambda name: self._resting_until_s.get(name, now_s) > now_s))

    def _failure(self, name: str, error: TrunklineError, following: str | None) -> EngineFailed:
        log.warning(
            "%s failed, %s: %s", name, f"{following} takes over" if following else "nobody takes over", error
        )
        self._resting_until_s[name] = self._clock.monotonic_s() + self._rest_s
        self._failed(name, error.code)
        return EngineFailed(
            stage=Stage.TTS,
            engine=name,
            code=error.code,
            detail=str(error),
            retryable=error.retryable,
            next_engine=following,
        )


@dataclass(slots=True)
class _Left:
    """What of a sentence is still to be said; `begun` when some of its first phrase is out already."""

    text: str
    begun: bool = False
