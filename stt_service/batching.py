"""Where calls meet: windows of all of them go through the detector in one run, and what is to be written
down goes to an engine in batches. All of this is on the event loop; the models have threads of their own.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from audio.codec import decode_float
from contracts.errors import TrunklineError
from runtime.batches import BatchSize, outcomes
from runtime.clock import Clock
from runtime.fair_queue import FairQueue, Weight, alike
from runtime.room import RoomMeter
from stt_service.edges import Levels
from stt_service.edges import levels as levels_of
from stt_service.errors import EngineFault, EngineTimeout
from stt_service.hearing import Window
from stt_service.ports import Samples, Segment, Transcriber, Transcript, VoiceDetector

log = logging.getLogger(__name__)

_FIRST_ROWS: Final = 64
_CREDIT_S: Final = 20.0  # of speech, which takes an engine about a second
_LEAST_S: Final = 0.1  # of speech: less of it takes an engine no less time

_Judgement: TypeAlias = tuple[NDArray[np.float32], NDArray[np.float32], list[Levels]]
"""Probabilities [B], next states [B, S], and how loud each window is."""


class Ear(Protocol):
    """A call as the detection loop sees it."""

    def next_window(self) -> Window | None:
        """The next window to be judged, if one is complete."""
        ...

    def judged(self, probability: float, levels: Levels) -> bool:
        """The oldest window handed out holds voice with this probability, and is that loud.

        Returns whether there may be another one.
        """
        ...


class _States:
    """What the detector carries from window to window of each ear: rows of one array."""

    def __init__(self, initial: NDArray[np.float32]) -> None:
        self._initial = initial
        self._rows = np.tile(initial, (_FIRST_ROWS, 1))
        self._free = list(range(_FIRST_ROWS))
        self._left: list[int] = []
        self.row_of: dict[Ear, int] = {}

    def add(self, ear: Ear) -> None:
        """A row for this ear, as a call begins with it."""
        if not self._free:
            count = len(self._rows)
            self._free = list(range(count, 2 * count))
            self._rows = np.concatenate((self._rows, np.tile(self._initial, (count, 1))))
        row = self.row_of[ear] = self._free.pop()
        self._rows[row] = self._initial

    def remove(self, ear: Ear) -> None:
        """Nobody gets its row before the next `take`: a run that has begun will still write there."""
        row = self.row_of.pop(ear, None)
        if row is not None:
            self._left.append(row)

    def take(self, ears: Sequence[Ear]) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
        """The rows of these ears, and what is in them."""
        self._free += self._left
        self._left.clear()
        rows = np.fromiter(map(self.row_of.__getitem__, ears), np.intp, len(ears))
        return rows, self._rows.take(rows, axis=0)

    def put(self, rows: NDArray[np.intp], states: NDArray[np.float32]) -> None:
        """What is in these rows from now on."""
        self._rows[rows] = states


class DetectionLoop:
    """Judges the windows of every call with one detector.

    A run costs nearly the same for one window as for ten, so none begins sooner than `gather_s` after the
    last one did, unless every call has a window already: what comes together, as gateways send it, is judged
    at once. Without an `executor` the detector runs on the event loop.
    """

    def __init__(
        self, detector: VoiceDetector, executor: Executor | None, clock: Clock, gather_s: float
    ) -> None:
        self._detector = detector
        self._executor = executor
        self._clock = clock
        self._gather_s = gather_s
        self._states = _States(detector.initial_state())
        self._awake: dict[Ear, None] = {}
        self._something = asyncio.Event()
        self._waking = False
        self._ran_s = -math.inf

    @property
    def window_samples(self) -> int:
        """The length of the windows that an ear is to hand out."""
        return self._detector.window_samples

    def add(self, ear: Ear) -> None:
        """Begin to listen for this call."""
        self._states.add(ear)

    def remove(self, ear: Ear) -> None:
        """Stop listening for this call."""
        self._states.remove(ear)
        self._awake.pop(ear, None)

    def wake(self, ear: Ear) -> None:
        """Audio has come for this call."""
        self._awake[ear] = None
        if not self._waking:
            self._waking = True
            self._something.set()

    async def run(self) -> None:
        """Judge what comes until cancelled."""
        while True:
            await self._something.wait()
            early_s = self._ran_s + self._gather_s - self._clock.monotonic_s()
            if early_s > 0 and len(self._awake) < len(self._states.row_of):
                await self._clock.sleep(early_s)
            self._ran_s = self._clock.monotonic_s()
            self._something.clear()
            self._waking = False
            awake, self._awake = list(self._awake), {}
            awake = await self._round(awake)
            while awake := await self._round(awake):  # a call catches up: the others do not wait for it
                awake = list(dict.fromkeys([*awake, *self._awake]))
                self._awake.clear()

    async def _round(self, ears: list[Ear]) -> list[Ear]:
        """One window of each ear that has one; returns those that may have another."""
        listening = self._states.row_of
        asked = [(ear, window) for ear in ears if ear in listening and (window := ear.next_window())]
        if not asked:
            return []
        judged = [ear for ear, _ in asked]
        rows, states = self._states.take(judged)
        probabilities, following, levels = await self._judge([window for _, window in asked], states)
        self._states.put(rows, following)
        return [
            ear
            for ear, probability, level in zip(judged, probabilities.tolist(), levels, strict=True)
            if ear in listening and ear.judged(probability, level)
        ]

    async def _judge(self, windows: list[Window], states: NDArray[np.float32]) -> _Judgement:
        if self._executor is None:
            return self._judge_now(windows, states)
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._executor, self._judge_now, windows, states)

    def _judge_now(self, windows: list[Window], states: NDArray[np.float32]) -> _Judgement:
        samples = _decoded(windows).reshape(len(windows), self.window_samples)
        probabilities, following = self._detector.detect(samples, states)
        return probabilities, following, levels_of(samples)


def _decoded(windows: list[Window]) -> Samples:
    """The samples of all windows, one after the other."""
    codecs, payloads = zip(*windows, strict=True)
    if codecs.count(codecs[0]) == len(codecs):  # as a rule: all callers come by the same carrier
        return decode_float(codecs[0], b"".join(payloads))
    return np.concatenate([decode_float(codec, payload) for codec, payload in windows])


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
        self,
        engine: Transcriber,
        clock: Clock,
        *,
        batch_limit: int,
        timeout_s: float,
        budget_s: float = 0.4,
        weight: Weight = alike,
    ) -> None:
        self.meter = RoomMeter(1, budget_s, clock)
        self._size = BatchSize(batch_limit, budget_s, least=_LEAST_S)
        self._engine = engine
        self._clock = clock
        self._timeout_s = timeout_s
        self._queue: FairQueue[_Waiting] = FairQueue(weight, _CREDIT_S)
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
                took_s = self._clock.monotonic_s() - began_s
                self.meter.worked(took_s)
                self._size.worked(_speech_s(batch), took_s)
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
        while (
            self._size.takes_more(len(batch), _speech_s(batch)) and (entry := self._queue.pop()) is not None
        ):
            if not entry.item.result.done():
                batch.append(entry.item)
                self.meter.waited(self._clock.monotonic_s() - entry.item.came_s)
        return batch

    async def _serve(self, batch: list[_Waiting]) -> None:
        async for waiting, outcome in outcomes(batch, self._decoded):
            waiting.settle(outcome)

    async def _decoded(self, batch: Sequence[_Waiting]) -> list[Decoded]:
        begun_s = self._clock.monotonic_s()
        transcripts = await self._transcribe([waiting.segment for waiting in batch])
        decode_ms = (self._clock.monotonic_s() - begun_s) * 1000
        return [Decoded(transcript, decode_ms) for transcript in transcripts]

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
