"""What this service needs of the outside: something that hears voices, and something that writes them down.

Both take a batch that holds pieces of different calls, because that is where the throughput of a model is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

RATE_HZ = 8_000
"""The rate at which this service listens: that of the telephone network."""

Samples: TypeAlias = NDArray[np.float32]
"""One channel in [-1, 1) at `RATE_HZ`."""


class VoiceDetector(Protocol):
    """Tells voice from everything else, one short window after the other. Blocking and not thread-safe."""

    @property
    def window_samples(self) -> int:
        """The length of every window, at `RATE_HZ`."""
        ...

    def initial_state(self) -> NDArray[np.float32]:
        """What a call begins with, a vector; the detector keeps nothing of a call itself."""
        ...

    def detect(
        self, windows: NDArray[np.float32], states: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Probability of voice [B] and next states [B, S] from the next window [B, W] and state of B calls.

        The result for a call does not depend on which others are in the batch.
        """
        ...


class Segment(NamedTuple):
    """A stretch of one call's audio to be written down; `language` is a code such as "en-US"."""

    samples: Samples
    language: str

    @property
    def duration_s(self) -> float:
        """How long it sounds."""
        return len(self.samples) / RATE_HZ


class SpokenWord(NamedTuple):
    """A word and when it sounds, in milliseconds from the start of its segment."""

    text: str
    start_ms: float
    end_ms: float
    probability: float


class Transcript(NamedTuple):
    """What was said; empty text where nothing was. `confidence` is between 0 and 1."""

    text: str
    language: str
    confidence: float
    words: tuple[SpokenWord, ...] = ()


class Transcriber(Protocol):
    """An engine that writes speech down. One object serves every call of the process, from one event loop."""

    async def transcribe(self, batch: Sequence[Segment]) -> list[Transcript]:
        """One transcript for each segment, in order; never blocks the loop, and may be called concurrently.

        A segment is at most 28 s long. Raises EngineRejected or EngineFault for the whole batch.
        """
        ...

    async def close(self) -> None:
        """Free everything."""
        ...
