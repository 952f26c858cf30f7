"""Where calls meet: windows of all of them go through the detector in one run, and what is to be written
down goes to an engine in batches. All of this is on the event loop; the models have threads of their own.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from contracts.errors import TrunklineError
from runtime.clock import Clock
from runtime.fair_queue import FairQueue
from runtime.room import RoomMeter
from stt_service.errors import EngineFault, EngineTimeout
from stt_service.ports import Samples, Segment, Transcriber, Transcript, VoiceDetector

log = logging.getLogger(__name__)

_LEARNING: Final = 0.2
_CREDIT_S: Final = 20.0  # of speech, which takes an engine about a second
_LEAST_S: Final = 0.1  # of speech: less of it takes an engine no less time


class Ear(Protocol):
    """A call as the detection loop sees it."""

    def next_window(self) -> Samples | None:
        """The next window to be judged, if one is complete."""
        ...

    def judged(self, probability: float) -> None:
        """The oldest window handed out holds voice with this probability."""
        ...


class DetectionLoop:
    """Judges the windows of every call with one detector.

    A run costs nearly the same for one window as for ten, so it waits `gather_s` for more, unless every
    call has one already.
    """

    def __init__(self, detector: VoiceDetector, executor: Executor, clock: Clock, gather_s: float) -> None:
        self._detector = detector
        self._executor = executor
        self._clock = clock
        self._gather_s = gather_s
        self._states: dict[Ear, NDArray[np.float32]] = {}
        self._awake: dict[Ear, None] = {}
        self._something = asyncio.Event()

    @property
    def window_samples(self) -> int:
        """The length of the windows that an ear is to hand out."""
        return self._detector.window_samples

    def add(self, ear: Ear) -> None:
        """Begin to listen for this call."""
        self._states[ear] = self._detector.initial_state()

    def remove(self, ear: Ear) -> None:
        """Stop listening for this call."""
        self._states.pop(ear, None)
        self._awake.pop(ear, None)

    def wake(self, ear: Ear) -> None:
        """Audio has come for this call."""
        if ear in self._states:
            self._awake[ear] = None
            self._something.set()

    async def run(self) -> None:
        """Judge what comes until cancelled."""
        while True:
            await self._something.wait()
            if len(self._awake) < len(self._states):
                await self._clock.sleep(self._gather_s)
            self._something.clear()
            awake, self._awake = list(self._awake), {}
            awake = await self._round(awake)
            while awake := await self._round(awake):  # a call catches up: the others do not wait for it
                awake = list(dict.fromkeys([*awake, *self._awake]))
                self._awake.clear()

    async def _round(self, ears: list[Ear]) -> list[Ear]:
        """One window of each ear that has one; returns those that may have another."""
        windows = [(ear, window) for ear in ears if (window := self._window_of(ear)) is not None]
        if not windows:
            return []
        judged = [ear for ear, _ in windows]
        batch = np.stack([window for _, window in windows])
        states = np.stack([self._states[ear] for ear in judged])
        loop = asyncio.get_running_loop()
        probabilities, following = await loop.run_in_executor(
            self._executor, self._detector.detect, batch, states
        )
        for ear, probability, state in zip(judged, probabilities.tolist(), following, strict=True):
            if ear in self._states:
                self._states[ear] = state
                ear.judged(probability)
        return judged

    def _window_of(self, ear: Ear) -> Samples | None:
        return ear.next_window() if ear in self._states else None


class Decoded(NamedTuple):
    """A transcript, and how long the engine took over the batch that it was in."""

    transcript: Transcript
    decode_ms: float


@dataclass(eq=False, slots=True)
class _Waiting:
    segment: Segment
    result: asyncio.Future[Decoded]
    came_s: float

    def settle(self, outcome: Decoded | TrunklineError) -> None:
        """Tell whoever waits, if they still do."""
        if self.result.done():
            return
        if isinstance(outcome, TrunklineError):
            self.result.set_exception(outcome)
        else:
            self.result.set_result(outcome)


def _speech_s(batch: Sequence[_Waiting]) -> float:
    return sum(waiting.segment.duration_s for waiting in batch)


class DecodeBatcher:
    """Hands segments of all calls to one engine, in batches of whatever waits when the engine is free.

    So nobody waits for a batch to fill, and the longer the queue the larger the batches, up to `batch_limit`
    and to what the engine does in `budget_s`: who comes next waits for all of it. What somebody waits for is
    taken first, by the tenants' shares, counted in seconds of speech. A glance, for a partial transcript, is
    only begun while the engine has nothing in hand; so it is never more than one decode in the way.
    """

    def __init__(
        self, engine: Transcriber, clock: Clock, *, batch_limit: int, timeout_s: float, budget_s: float = 0.4
    ) -> None:
        self.meter = RoomMeter(1, budget_s, clock)
        self._budget_s = budget_s
        self._pace = 0.0  # seconds that a second of speech takes, as far as it is known
        self._engine = engine
        self._clock = clock
        self._batch_limit = batch_limit
        self._timeout_s = timeout_s
        self._queue: FairQueue[_Waiting] = FairQueue(credit=_CREDIT_S)
        self._queued = asyncio.Event()
        self._glance: _Waiting | None = None
        self._glanced = asyncio.Event()
        self._busy = False

    async def decode(self, segment: Segment, tenant: str = "") -> Decoded:
        """Write a segment down as soon as it is its turn; raises what the engine raises, or EngineTimeout."""
        waiting = self._waiting(segment)
        entry = self._queue.push(tenant, waiting, segment.duration_s)
        self._queued.set()
        try:
            return await waiting.result
        finally:
            self._queue.cancel(entry)

    async def glance(self, segment: Segment) -> Decoded | None:
        """Write a segment down now or not at all: None where the engine has something else in hand."""
        if self._busy or self._queue or self._glance is not None:
            return None
        self._glance = self._waiting(segment)
        self._glanced.set()
        return await self._glance.result

    async def run(self) -> None:
        """Decode what comes until cancelled."""
        async with asyncio.TaskGroup() as lanes:
            lanes.create_task(self._serve_queue())
            lanes.create_task(self._serve_glances())

    async def close(self) -> None:
        """Free the engine; `run` has been cancelled before."""
        await self._engine.close()

    async def _serve_queue(self) -> None:
        while True:
            await self._queued.wait()
            batch = self._next_batch()
            self._busy = bool(batch)
            if batch:
                began_s = self._clock.monotonic_s()
                await self._serve(batch)
                self._worked(batch, self._clock.monotonic_s() - began_s)
            else:
                self._queued.clear()

    async def _serve_glances(self) -> None:
        while True:
            await self._glanced.wait()
            self._glanced.clear()
            if self._glance is not None:
                await self._serve([self._glance])
                self._glance = None

    def _waiting(self, segment: Segment) -> _Waiting:
        return _Waiting(segment, asyncio.get_running_loop().create_future(), self._clock.monotonic_s())

    def _next_batch(self) -> list[_Waiting]:
        """Whose turn it is, of those who still wait."""
        batch: list[_Waiting] = []
        while self._takes_more(batch) and (entry := self._queue.pop()) is not None:
            if not entry.item.result.done():
                batch.append(entry.item)
                self.meter.waited(self._clock.monotonic_s() - entry.item.came_s)
        return batch

    def _takes_more(self, batch: list[_Waiting]) -> bool:
        """Whether one more, about as long as those in it, leaves the batch within its limits."""
        if not batch:
            return True
        one_more = _speech_s(batch) * (len(batch) + 1) / len(batch)
        return len(batch) < self._batch_limit and one_more * self._pace <= self._budget_s

    def _worked(self, batch: list[_Waiting], took_s: float) -> None:
        self.meter.worked(took_s)
        pace = took_s / max(_LEAST_S, _speech_s(batch))
        self._pace = pace if not self._pace else self._pace + _LEARNING * (pace - self._pace)

    async def _serve(self, batch: list[_Waiting]) -> None:
        begun_s = self._clock.monotonic_s()
        try:
            transcripts = await self._transcribe([waiting.segment for waiting in batch])
        except TrunklineError as error:
            if len(batch) == 1:
                batch[0].settle(error)
                return
            for waiting in batch:  # one segment that an engine cannot bear is no reason to fail the others
                await self._serve([waiting])
            return
        decode_ms = (self._clock.monotonic_s() - begun_s) * 1000
        for waiting, transcript in zip(batch, transcripts, strict=True):
            waiting.settle(Decoded(transcript, decode_ms))

    async def _transcribe(self, segments: Sequence[Segment]) -> list[Transcript]:
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._engine.transcribe(segments)
        except TimeoutError as error:
            raise EngineTimeout(
                f"no transcript within {self._timeout_s:g} s",
                mend="give the process more cores, or raise TRUNKLINE_STT_ENGINE_TIMEOUT_S",
            ) from error
        except TrunklineError:
            raise
        except Exception as error:  # an engine's library may raise anything
            log.exception("an engine raised what it should not")
            raise EngineFault(
                f"{type(error).__name__} in the engine", mend="see the service's log"
            ) from error
