"""The engines and detectors of this process: each built once, off the loop, when it is first wanted.

An engine that cannot be built is no reason to refuse a call that has others: it keeps its place in the chain
and fails there, where the next one follows.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from contracts.errors import TrunklineError
from runtime.fair_queue import Weight, alike
from runtime.room import least_room
from runtime.tasks import TaskOwner
from stt_service.batching import DecodeBatcher, DetectionLoop
from stt_service.engines import QUICK_DETECTORS, Ground, detector_for
from stt_service.errors import EngineMissing, UnknownEngine
from stt_service.ports import Transcriber, VoiceDetector

log = logging.getLogger(__name__)


class EnginePool:
    """Engines by name, each with the batcher before it, which `tasks` keeps running."""

    def __init__(
        self,
        factories: Mapping[str, Callable[[Ground], Transcriber]],
        ground: Ground,
        tasks: TaskOwner,
        weight: Weight = alike,
    ) -> None:
        self._factories = factories
        self._weight = weight
        self._ground = ground
        self._tasks = tasks
        self._batchers: dict[str, tuple[DecodeBatcher, asyncio.Task[None]]] = {}
        self._broken: dict[str, TrunklineError] = {}
        self._building = asyncio.Lock()

    async def get(self, name: str) -> DecodeBatcher:
        """The engine of that name; raises UnknownEngine, EngineMissing or a ModelError."""
        _check_known("speech engine", self._factories, name)
        if name in self._broken:
            raise self._broken[name]
        async with self._building:
            if name not in self._batchers:
                self._batchers[name] = await self._start(name)
            return self._batchers[name][0]

    async def require_one_of(self, names: Sequence[str]) -> None:
        """Build what can be built of these; raises the first one's error where none of them can."""
        errors: list[TrunklineError] = []
        for name in names:
            try:
                await self.get(name)
            except TrunklineError as error:
                log.warning("engine %s is not available: %s", name, error)
                errors.append(error)
        if len(errors) == len(names):
            raise errors[0]

    def room(self, calls: int) -> int | None:
        """How many calls more than these `calls` the engines have room for; None where they cannot tell."""
        return least_room((batcher.meter for batcher, _ in self._batchers.values()), calls)

    async def close(self) -> None:
        """Stop and free every engine."""
        for batcher, running in self._batchers.values():
            running.cancel()
            await asyncio.wait({running})
            await batcher.close()
        self._batchers.clear()

    async def _start(self, name: str) -> tuple[DecodeBatcher, asyncio.Task[None]]:
        try:
            engine = await asyncio.to_thread(self._factories[name], self._ground)
        except ImportError as error:
            self._broken[name] = EngineMissing(
                f"the {name} engine needs the package {error.name}", mend="pip install 'trunkline[stt]'"
            )
            raise self._broken[name] from error
        except TrunklineError as error:
            if not error.retryable:
                self._broken[name] = error
            raise
        settings = self._ground.settings
        batcher = DecodeBatcher(
            engine,
            self._ground.clock,
            batch_limit=settings.stt_batch_limit,
            timeout_s=settings.stt_engine_timeout_s,
            budget_s=settings.stt_wait_budget_s,
            weight=self._weight,
        )
        return batcher, self._tasks.spawn(batcher.run(), f"engine {name}")


class DetectorPool:
    """Detectors by name, each with its loop, which `tasks` keeps running, and, unless it is a quick one, a
    thread of its own.
    """

    def __init__(
        self, factories: Mapping[str, Callable[[Ground], VoiceDetector]], ground: Ground, tasks: TaskOwner
    ) -> None:
        self._factories = factories
        self._ground = ground
        self._tasks = tasks
        self._loops: dict[str, tuple[DetectionLoop, ThreadPoolExecutor | None]] = {}
        self._building = asyncio.Lock()

    async def get(self, name: str) -> DetectionLoop:
        """The loop of that detector; raises UnknownEngine, EngineMissing or a ModelError."""
        _check_known("voice detector", self._factories, name)
        async with self._building:
            if name not in self._loops:
                self._loops[name] = await self._start(name)
            return self._loops[name][0]

    async def of(self, engine: str) -> DetectionLoop:
        """The loop that hears calls whose first engine this is; raises as `get` does."""
        return await self.get(detector_for(engine, self._ground.settings.stt_synthetic_detector))

    def close(self) -> None:
        """Free the threads; whoever owns the tasks has cancelled the loops, or soon will."""
        for _, thread in self._loops.values():
            if thread is not None:
                thread.shutdown(wait=False)
        self._loops.clear()

    async def _start(self, name: str) -> tuple[DetectionLoop, ThreadPoolExecutor | None]:
        detector = await asyncio.to_thread(self._factories[name], self._ground)
        thread = None if name in QUICK_DETECTORS else ThreadPoolExecutor(1, f"vad-{name}")
        gather_s = self._ground.settings.stt_gather_ms / 1000
        loop = DetectionLoop(detector, thread, self._ground.clock, gather_s)
        self._tasks.spawn(loop.run(), f"detector {name}")
        return loop, thread


def _check_known(kind: str, factories: Mapping[str, object], name: str) -> None:
    if name not in factories:
        raise UnknownEngine(f"there is no {kind} {name!r}", mend=f"use one of {', '.join(factories)}")
