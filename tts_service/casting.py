"""Which engines are loaded in this process, and which engine and voice speak for an assistant."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from concurrent.futures import Executor
from typing import NamedTuple

from contracts.errors import TrunklineError
from contracts.messages import AssistantSnapshot
from tts_service.engines import Factory, Means
from tts_service.errors import EngineFault, UnknownEngine, UnknownVoice
from tts_service.ports import Synthesizer, VoiceInfo
from tts_service.settings import Settings

log = logging.getLogger(__name__)


class Cast(NamedTuple):
    """How an assistant speaks: engines in order of preference, the voice it wishes for, and for whom."""

    engines: tuple[str, ...]
    voice: str
    speed: float
    language: str
    tenant: str = ""


class Engines:
    """Engines by name, each loaded once, when it is first wanted."""

    def __init__(
        self, factories: Mapping[str, Factory], settings: Settings, means: Means, loader: Executor
    ) -> None:
        self._factories = factories
        self._settings = settings
        self._means = means
        self._loader = loader
        self._loading: dict[str, asyncio.Future[Synthesizer]] = {}

    async def get(self, name: str) -> Synthesizer:
        """The engine, loaded on a thread if it is not yet. A failure is tried again the next time.

        Raises UnknownEngine, EngineMissing, VoiceUnusable, or what the model store raises.
        """
        if name not in self._factories:
            raise UnknownEngine(
                f"there is no speech engine {name!r}", mend=f"use one of {', '.join(self._factories)}"
            )
        loading = self._loading.get(name)
        if loading is None:
            loop = asyncio.get_running_loop()
            loading = loop.run_in_executor(self._loader, self._load, name)
            self._loading[name] = loading
        try:
            return await asyncio.shield(loading)
        except TrunklineError:
            if self._loading.get(name) is loading:
                del self._loading[name]
            raise

    def _load(self, name: str) -> Synthesizer:
        try:
            engine = self._factories[name](self._settings, self._means)
        except TrunklineError:
            raise
        except Exception as error:
            raise EngineFault(
                f"the engine {name} cannot be loaded: {type(error).__name__}: {error}"
            ) from error
        log.info("%s speaks as %s", name, ", ".join(voice.name for voice in engine.voices()))
        return engine

    async def cast(self, assistant: AssistantSnapshot, tenant: str = "") -> Cast:
        """Make sure that somebody can speak for this assistant of a tenant.

        Raises UnknownEngine for any name that does not exist, UnknownVoice where no engine has the voice, and
        the first engine's own error where none can be loaded.
        """
        names = tuple(dict.fromkeys(assistant.engines.tts))
        results = await asyncio.gather(*map(self.get, names), return_exceptions=True)
        ready: dict[str, Synthesizer] = {}
        faults: list[BaseException] = []
        for name, result in zip(names, results, strict=True):
            if isinstance(result, BaseException):
                faults.append(result)
            else:
                ready[name] = result
        for fault in faults:
            if isinstance(fault, UnknownEngine) or not isinstance(fault, TrunklineError) or not ready:
                raise fault
            log.warning("assistant %s speaks without one of its engines: %s", assistant.id, fault)
        _check_voice(assistant.voice.name, ready)
        return Cast(names, assistant.voice.name, assistant.voice.speed, assistant.language, tenant)


def _check_voice(wanted: str, engines: Mapping[str, Synthesizer]) -> None:
    if not wanted or any(wanted == voice.name for engine in engines.values() for voice in engine.voices()):
        return
    first, engine = next(iter(engines.items()))
    voices = ", ".join(voice.name for voice in engine.voices())
    raise UnknownVoice(f"the engine {first} has no voice {wanted!r} here", mend=f"use one of {voices}")


def choose_voice(voices: tuple[VoiceInfo, ...], wanted: str, language: str) -> VoiceInfo:
    """The wanted voice; else the first that is at home in the language, or nearly; else the default."""
    for voice in voices:
        if voice.name == wanted:
            return voice
    nearly = language.split("-", maxsplit=1)[0]
    ranked = sorted(
        voices, key=lambda voice: (voice.language != language, not voice.language.startswith(nearly))
    )
    return ranked[0]
