"""The engines by the names that assistants use, each imported when it is built: its packages are extras."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from llm_service.ports import LanguageModel
from llm_service.settings import Settings
from models.store import ModelStore
from runtime.clock import Clock


class Means(NamedTuple):
    """What an engine is made with: where models lie, and time."""

    models: ModelStore
    clock: Clock


EngineFactory = Callable[[Settings, Means], LanguageModel]
"""Builds an engine; may block for seconds, and raises a TrunklineError that names what is missing."""


def _faq(settings: Settings, means: Means) -> LanguageModel:
    from llm_service.engines.faq import load

    return load(settings, means.models)


def _openai(settings: Settings, _means: Means) -> LanguageModel:
    from llm_service.engines.openai import build

    return build(settings)


def _relief(settings: Settings, _means: Means) -> LanguageModel:
    from llm_service.engines.openai import build_relief

    return build_relief(settings)


def _synthetic(settings: Settings, means: Means) -> LanguageModel:
    from llm_service.engines.synthetic import SyntheticEngine

    return SyntheticEngine(
        settings.llm_synthetic_text,
        first_token_s=settings.llm_synthetic_first_token_ms / 1000,
        token_s=settings.llm_synthetic_token_ms / 1000,
        clock=means.clock,
    )


ENGINES: Final[dict[str, EngineFactory]] = {
    "faq": _faq,
    "openai": _openai,
    "relief": _relief,
    "synthetic": _synthetic,
}
