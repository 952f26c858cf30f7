"""The engines by name. Each is imported when it is first wanted, so a missing extra costs only its users."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from pathlib import Path
from typing import Final, NamedTuple

from runtime.clock import Clock
from tts_service.ports import Synthesizer
from tts_service.settings import Settings


class Means(NamedTuple):
    """What an engine is made with: where models lie, threads to work on, and time."""

    model_path: Callable[[str], Path]
    executor: Executor
    clock: Clock


Factory = Callable[[Settings, Means], Synthesizer]
"""Builds an engine; blocks while it loads its models."""


def _piper(settings: Settings, means: Means) -> Synthesizer:
    from tts_service.engines.piper import PiperEngine

    models = [means.model_path(name) for name in settings.tts_piper_voices]
    return PiperEngine.load(
        models, settings.tts_engine_threads, means.executor, device=settings.tts_piper_device
    )


def _kokoro(settings: Settings, means: Means) -> Synthesizer:
    from tts_service.engines.kokoro import KokoroEngine

    model = means.model_path(settings.tts_kokoro_model)
    voices = [means.model_path(name) for name in settings.tts_kokoro_voices]
    return KokoroEngine.load(model, voices, settings.tts_engine_threads, means.executor)


def _synthetic(settings: Settings, means: Means) -> Synthesizer:
    from tts_service.engines.synthetic import SyntheticEngine

    return SyntheticEngine(
        means.clock,
        settings.tts_synthetic_audio_ms,
        settings.tts_synthetic_delay_ms,
        settings.tts_synthetic_together,
    )


ENGINES: Final[Mapping[str, Factory]] = {"piper": _piper, "kokoro": _kokoro, "synthetic": _synthetic}
