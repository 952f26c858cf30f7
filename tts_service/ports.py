"""What this service needs of the world: something that speaks, and a way out for what was spoken."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from contextlib import AbstractContextManager
from typing import Any, NamedTuple, Protocol, TypeAlias, TypeVar

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

    @property
    def seconds(self) -> float:
        """How long it lasts."""
        return len(self.samples) / self.rate_hz


class Phrase(NamedTuple):
    """What an engine says in one go: text as it is to be spoken, by one of the engine's own voices."""

    text: str
    voice: str
    speed: float = 1.0
    language: str = "en-US"


class VoiceInfo(NamedTuple):
    """A voice by the engine's own name for it, and the language it is at home in.

    `incremental`: the first audio of a phrase comes long before its last, so that it need not be cut up.
    """

    name: str
    language: str
    incremental: bool = True


class Run(NamedTuple):
    """What makes the next chunk of an utterance. Those of one engine whose runs are equal can share one, and
    `together` of them at most gain by it: 1 where they only wait for each other.
    """

    kind: Hashable
    together: int = 1


class Utterance(Protocol):
    """A phrase that an engine has begun with; what is inside is the engine's own business."""

    @property
    def run(self) -> Run | None:
        """What is to be done next; None when it is said."""
        ...


Begun = TypeVar("Begun", bound=Utterance)


class Engine(Protocol[Begun]):
    """An engine that speaks. One object serves every call of the process, from one event loop.

    It works only while it is asked to `advance`, and never on the event loop; an utterance that nobody
    advances any more has been stopped.
    """

    def voices(self) -> tuple[VoiceInfo, ...]:
        """Every voice; the first one is the engine's default."""
        ...

    def begin(self, phrase: Phrase) -> Begun:
        """The phrase, nothing of it made yet. Raises UnknownVoice or LanguageUnsupported."""
        ...

    async def advance(self, utterances: Sequence[Begun]) -> list[Pcm | None]:
        """The next chunk of each, made together; their runs are equal. None for one that has no sound.

        Each phrase keeps one rate. Raises EngineFault when one of them cannot be made: then none has lost
        anything, and each can be advanced alone.
        """
        ...


Synthesizer: TypeAlias = Engine[Any]
"""Any engine; only what it has begun itself is given back to it."""


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
