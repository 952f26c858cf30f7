"""The real engines, each loaded once for all tests, and each on threads that count their work."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.store import ModelStore
from runtime.clock import SystemClock
from tts_service.engines.kokoro import KokoroEngine
from tts_service.engines.piper import PiperEngine
from tts_service.engines.synthetic import VOICE, SyntheticEngine
from tts_service.ports import Pcm, Phrase, Synthesizer


class CountingExecutor(ThreadPoolExecutor):
    """Says how many pieces of work it was given."""

    def __init__(self) -> None:
        super().__init__(2)
        self.given = 0

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        self.given += 1
        return super().submit(fn, *args, **kwargs)


async def chunks_of(engine: Synthesizer, phrase: Phrase) -> AsyncGenerator[Pcm, None]:
    """The phrase, said alone, as it is made."""
    utterance = engine.begin(phrase)
    while utterance.run is not None:
        (pcm,) = await engine.advance([utterance])
        if pcm is not None:
            yield pcm


@dataclass(frozen=True)
class Stand:
    """An engine under test, with what the shared suite must know of it."""

    engine: Synthesizer
    voice: str
    rate_hz: int
    longest: int  # characters that it speaks within a second or so
    executor: CountingExecutor


@pytest.fixture(scope="session")
def model_store(tmp_path_factory: pytest.TempPathFactory) -> ModelStore:
    return ModelStore(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="session")
def piper(model_store: ModelStore) -> Iterator[Stand]:
    with CountingExecutor() as executor:
        engine = PiperEngine.load([model_store.path("piper-joe")], 1, executor)
        yield Stand(engine, "joe", 22_050, 400, executor)


@pytest.fixture(scope="session")
def piper_in_batches(model_store: ModelStore) -> Iterator[Stand]:
    """As on a device that gains by them."""
    with CountingExecutor() as executor:
        engine = PiperEngine.load([model_store.path("piper-joe")], 1, executor, together=4)
        yield Stand(engine, "joe", 22_050, 400, executor)


@pytest.fixture(scope="session")
def english_voices(model_store: ModelStore, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as kokoro-js has it, of real style vectors: those of a voice that comes by pip."""
    folder = tmp_path_factory.mktemp("voices")
    with np.load(model_store.path("kokoro-voices-ja")) as voices:
        voices["jf_alpha"].astype("<f4").tofile(folder / "af_alpha.bin")
        voices["jm_kumo"].astype("<f4").tofile(folder / "bm_kumo.bin")
    return folder


@pytest.fixture(scope="session")
def kokoro(model_store: ModelStore, english_voices: Path) -> Iterator[Stand]:
    voices = [model_store.path("kokoro-voices-ja"), english_voices]
    with CountingExecutor() as executor:
        engine = KokoroEngine.load(model_store.path("kokoro-82m-int8"), voices, 1, executor)
        yield Stand(engine, "jf_alpha", 24_000, 38, executor)


@pytest.fixture(scope="session")
def synthetic() -> Iterator[Stand]:
    with CountingExecutor() as executor:
        yield Stand(SyntheticEngine(SystemClock(), 1000, 0), VOICE, 8_000, 100_000, executor)


@pytest.fixture(params=["synthetic", "piper", "piper_in_batches", "kokoro"])
def stand(request: pytest.FixtureRequest) -> Stand:
    """Every engine there is, one after the other."""
    found: Stand = request.getfixturevalue(request.param)
    return found
