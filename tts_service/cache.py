"""Finished phrases, so that greetings and common answers cost nothing the second time.

A phrase that is being made is shared as well: whoever asks for it meanwhile hears it from the start, as it
comes, and it is made once. It is made by a task of its own, which goes on while anybody listens.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from contracts.errors import TrunklineError
from runtime.tasks import TaskOwner
from tts_service.errors import EngineFault
from tts_service.ports import Due
from tts_service.scheduling import NEVER


class PhraseKey(NamedTuple):
    """What makes two phrases sound the same."""

    engine: str
    voice: str
    language: str
    speed: float
    text: str


class Stretch(NamedTuple):
    """Whole frames for the line, how long the engine worked on them, and whether they lay ready."""

    frames: bytes
    made_ms: float
    cached: bool = False


class Found(StrEnum):
    """How a phrase was come by: the labels of the phrase_cache metric."""

    HIT = "hit"
    SHARED = "shared"
    MADE = "made"


Make = Callable[[Due], AsyncGenerator[Stretch, None]]
"""Makes the phrase; is told until when it is needed."""


@dataclass(eq=False)
class _InTheMaking:
    """A phrase that is being made, and everybody who listens."""

    dues: dict[object, Due] = field(default_factory=dict)
    stretches: list[Stretch] = field(default_factory=list)
    over: bool = False
    error: TrunklineError | None = None
    news: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None

    def due(self) -> float:
        return min((due() for due in self.dues.values()), default=NEVER)

    def tell(self) -> None:
        self.news.set()
        self.news = asyncio.Event()


class PhraseCache:
    """At most `max_bytes` of finished phrases; the one that was not wanted for longest goes first."""

    def __init__(self, max_bytes: int, tasks: TaskOwner, found: Callable[[Found], None]) -> None:
        self._max_bytes = max_bytes
        self._tasks = tasks
        self._found = found
        self._finished: OrderedDict[PhraseKey, bytes] = OrderedDict()
        self._making: dict[PhraseKey, _InTheMaking] = {}
        self._held_bytes = 0

    def __contains__(self, key: PhraseKey) -> bool:
        return key in self._finished or key in self._making

    @property
    def held_bytes(self) -> int:
        """Audio of finished phrases."""
        return self._held_bytes

    async def phrase(self, key: PhraseKey, make: Make, due: Due) -> AsyncGenerator[Stretch, None]:
        """The phrase from its start: at once where it is finished, as it is made otherwise.

        Counted only where somebody waits for it. Raises what `make` raises.
        """
        count = self._found if due() != NEVER else _ignore
        finished = self._finished.get(key)
        if finished is not None:
            self._finished.move_to_end(key)
            count(Found.HIT)
            yield Stretch(finished, 0.0, cached=True)
            return
        making = self._making.get(key)
        count(Found.MADE if making is None else Found.SHARED)
        if making is None:
            making = self._making[key] = _InTheMaking()
        me = object()
        making.dues[me] = due
        if making.task is None:
            making.task = self._tasks.spawn(self._make(key, making, make), "phrase")
        try:
            async for stretch in _listen(making):
                yield stretch
        finally:
            del making.dues[me]
            if not making.dues and not making.over:
                self._forget(key, making)
                making.task.cancel()

    async def _make(self, key: PhraseKey, making: _InTheMaking, make: Make) -> None:
        try:
            async with aclosing(make(making.due)) as stretches:
                async for stretch in stretches:
                    making.stretches.append(stretch)
                    making.tell()
        except TrunklineError as error:
            making.error = error
        except Exception as error:  # noqa: BLE001 - listeners must hear of it; the process must not end by it
            making.error = EngineFault(f"{key.engine} failed: {type(error).__name__}: {error}")
        else:
            self._keep(key, b"".join(stretch.frames for stretch in making.stretches))
        making.over = True
        self._forget(key, making)
        making.tell()

    def _forget(self, key: PhraseKey, making: _InTheMaking) -> None:
        if self._making.get(key) is making:
            del self._making[key]

    def _keep(self, key: PhraseKey, frames: bytes) -> None:
        if len(frames) > self._max_bytes:
            return
        self._held_bytes += len(frames) - len(self._finished.pop(key, b""))
        self._finished[key] = frames
        while self._held_bytes > self._max_bytes:
            _, dropped = self._finished.popitem(last=False)
            self._held_bytes -= len(dropped)


def _ignore(_: Found) -> None:
    """Nobody waited for this phrase."""


async def _listen(making: _InTheMaking) -> AsyncGenerator[Stretch, None]:
    at = 0
    while True:
        while at < len(making.stretches):
            at += 1
            yield making.stretches[at - 1]
        if making.over:
            break
        await making.news.wait()
    if making.error is not None:
        raise making.error
