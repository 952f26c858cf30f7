"""The engines and detectors by name. Each is imported when it is built, because its library is an extra."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from models.store import ModelStore
from runtime.clock import Clock
from stt_service.ports import Transcriber, VoiceDetector
from stt_service.settings import Settings


class Ground(NamedTuple):
    """What an engine is built on."""

    settings: Settings
    models: ModelStore
    clock: Clock


def _whisper(ground: Ground) -> Transcriber:
    from stt_service.engines import whisper

    return whisper.load(ground.settings, ground.models)


def _synthetic(ground: Ground) -> Transcriber:
    from stt_service.engines.synthetic import SyntheticTranscriber

    return SyntheticTranscriber(
        ground.settings.stt_synthetic_text, ground.settings.stt_synthetic_delay_ms, ground.clock
    )


def _silero(ground: Ground) -> VoiceDetector:
    from stt_service.engines.silero import SileroDetector

    return SileroDetector(ground.models.path(ground.settings.stt_silero_model))


def _energy(ground: Ground) -> VoiceDetector:
    from stt_service.engines.energy import EnergyDetector

    return EnergyDetector(ground.settings.stt_energy_dbfs)


ENGINES: Final[dict[str, Callable[[Ground], Transcriber]]] = {"whisper": _whisper, "synthetic": _synthetic}
DETECTORS: Final[dict[str, Callable[[Ground], VoiceDetector]]] = {"silero": _silero, "energy": _energy}
QUICK_DETECTORS: Final = frozenset({"energy"})
"""Detectors that are done before a thread would have heard of it."""


def detector_for(engine: str, synthetic: str = "energy") -> str:
    """The detector of a call whose first engine this is; `synthetic` is that of load tests, which measure no
    model that they do not use.
    """
    return synthetic if engine == "synthetic" else "silero"
