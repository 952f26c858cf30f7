"""What this service needs of the world: something that speaks, and a way out for what was spoken."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractContextManager
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from contracts.frames import Frame
from contracts.messages import EngineFailed, Event, ReplySentence, SentenceSynthesized

Due = Callable[[], float]
"""When the audio is needed, in seconds on the monotonic clock; infinity when nobody waits for it."""

OpenSpan = Callable[[str | None], AbstractContextManager[str | None]]
"""Opens the span of one sentence under a traceparent and yields its own, if spans are recorded."""


class Pcm(NamedTuple):
    """A stretch of one channel of audio, float32 in [-1, 1]."""

    samples: NDArray[np.float32]
    rate_hz: int


class Phrase(NamedTuple):
    """What an engine says in one go: text as it is to be spoken, by one of the engine's own voices."""

    text: str
    voice: str
    speed: float = 1.0
    language: str = "en-US"


class VoiceInfo(NamedTuple):
    """A voice by the engine's own name for it, and the language it is at home in."""

    name: str
    language: str


class Synthesizer(Protocol):
    """An engine that speaks. One object serves every call of the process, from one event loop.

    `synthesize` is asked for phrases of many calls at once, so that an engine which gains by it may make
    them in one batch. It does its work only while its caller waits for the next chunk and never on the
    event loop; a caller who stops asking and closes the stream has stopped the work.
    """

    @property
    def incremental(self) -> bool:
        """Whether the first audio of a phrase comes long before its last, so that it need not be cut up."""
        ...

    def voices(self) -> tuple[VoiceInfo, ...]:
        """Every voice; the first one is the engine's default."""
        ...

    def synthesize(self, phrase: Phrase) -> AsyncGenerator[Pcm, None]:
        """The phrase in chunks of one rate, as they are made; none where its text has no sound.

        Raises UnknownVoice, LanguageUnsupported or EngineFault.
        """
        ...


class Outlet(Protocol):
    """Where the audio and the events of one call go."""

    async def send(self, frames: Sequence[Frame]) -> None:
        """Frames for the gateway, in order; the outlet stamps the assignment's epoch on them."""
        ...

    async def synthesized(
        self, cause: Event[ReplySentence] | None, body: SentenceSynthesized, trace: str | None
    ) -> None:
        """A sentence has ended, one way or another. `cause` is None for one that never arrived."""
        ...

    async def engine_failed(self, cause: Event[ReplySentence], body: EngineFailed) -> None:
        """An engine failed while it spoke this sentence."""
        ...
