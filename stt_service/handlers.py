"""From the bus to the calls of this process and back: no decisions here."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import nats.errors

from contracts.errors import TrunklineError
from contracts.frames import Frame
from contracts.identities import CallRef
from contracts.messages import (
    Assign,
    CallReassigned,
    EngineFailed,
    Event,
    Message,
    Role,
    SpeechStarted,
    Stage,
    TurnEnded,
)
from contracts.telemetry import ENGINE_FAILURES, FRAMES_DROPPED, FRAMES_IN, STAGE_SECONDS, STALE_EPOCH
from runtime.bus import Bus
from runtime.clock import Clock
from runtime.tasks import TaskOwner
from runtime.telemetry import Metrics
from stt_service.batching import DetectionLoop
from stt_service.calls import HeldCall, Teller
from stt_service.kept_audio import KeptAudio
from stt_service.pool import DetectorPool, EnginePool
from stt_service.quiet import Quiet
from stt_service.resuming import Resumption, resumption

log = logging.getLogger(__name__)


class Mouth:
    """Publishes for every call, one event after the other, so that none overtakes another."""

    def __init__(self, bus: Bus, metrics: Metrics) -> None:
        self._bus = bus
        self._waiting: asyncio.Queue[tuple[BusTeller, Message, str | None]] = asyncio.Queue()
        self._dropped = metrics.counter(FRAMES_DROPPED)
        self._failures = metrics.counter(ENGINE_FAILURES)
        self._seconds = metrics.histogram(STAGE_SECONDS)

    def teller(self, assign: Assign) -> BusTeller:
        """The Teller of one call."""
        return BusTeller(self, CallRef(assign.tenant, assign.call), assign.epoch)

    def say(self, teller: BusTeller, body: Message, trace: str | None) -> None:
        """Publish in turn."""
        self._waiting.put_nowait((teller, body, trace))

    def dropped(self, why: str, frames: int) -> None:
        """Count frames that will not be heard."""
        self._dropped.add(why, by=frames)

    def rejected(self, where: str, error: TrunklineError) -> None:
        """Count and log what could not be used."""
        self._bus.reject(where, error)

    async def run(self) -> None:
        """Publish until cancelled."""
        while True:
            teller, body, trace = await self._waiting.get()
            if not teller.closed:
                await self._publish(teller, body, trace)

    async def _publish(self, teller: BusTeller, body: Message, trace: str | None) -> None:
        match body:
            case TurnEnded():
                self._seconds(body.decode_ms / 1000, Stage.STT, body.engine)
            case EngineFailed():
                self._failures.add(Stage.STT, body.engine, body.code)
            case _:
                pass
        try:
            event = await self._bus.publish_event(
                teller.ref, body, cause=teller.speech, epoch=teller.epoch, trace=trace
            )
        except (TrunklineError, nats.errors.Error) as error:
            log.error("%s of %s could not be published: %s", type(body).__name__, teller.ref.call, error)
            return
        if isinstance(body, SpeechStarted):
            teller.speech = event


@dataclass(eq=False, slots=True)
class BusTeller:
    """The Teller port over the bus. `speech` is the event that everything in a turn follows from."""

    mouth: Mouth
    ref: CallRef
    epoch: int
    speech: Event[Any] | None = None
    closed: bool = False

    def publish(self, body: Message, trace: str | None) -> None:
        """Behind all that was handed in before."""
        self.mouth.say(self, body, trace)

    def dropped(self, why: str, frames: int = 1) -> None:
        """To the metrics."""
        self.mouth.dropped(why, frames)

    def rejected(self, where: str, error: TrunklineError) -> None:
        """To the metrics and the log."""
        self.mouth.rejected(where, error)


NewCall = Callable[[Assign, DetectionLoop, Teller, Resumption | None], HeldCall]


@dataclass(eq=False, slots=True)
class _Held:
    """A call of ours. `gateway_epoch` is that of the gateway, who stamps the frames; 0 before it is known.

    `heard`: a frame has come since time passed last, which was at `heard_s`.
    """

    call: HeldCall
    loop: DetectionLoop
    teller: BusTeller
    heard_s: float
    gateway_epoch: int
    heard: bool = False
    asking: asyncio.Task[None] | None = None

    def follow(self, gateway_epoch: int) -> None:
        """Another gateway has the leg: it counts frames anew, and knows by itself where to send them."""
        if gateway_epoch <= self.gateway_epoch:
            return
        if self.gateway_epoch:
            self.call.renumber()
            self.stop_asking()
        self.gateway_epoch = gateway_epoch

    def stop_asking(self) -> None:
        """No audio comes again."""
        if self.asking is not None:
            self.asking.cancel()
            self.call.expect(0)


class Handlers:
    """The calls of this process: taken, fed with frames, dropped."""

    def __init__(
        self,
        engines: EnginePool,
        detectors: DetectorPool,
        mouth: Mouth,
        kept_audio: KeptAudio,
        tasks: TaskOwner,
        *,
        new_call: NewCall,
        clock: Clock,
        metrics: Metrics,
        starved_s: float,
    ) -> None:
        self._engines = engines
        self._detectors = detectors
        self._mouth = mouth
        self._kept_audio = kept_audio
        self._tasks = tasks
        self._new_call = new_call
        self._clock = clock
        self._starved_s = starved_s
        self._quiet = Quiet()
        self._calls: dict[CallRef, _Held] = {}
        self._arrived = 0  # frames that are not counted yet: to count each would cost as much as to keep it
        self._frames = metrics.counter(FRAMES_IN)
        self._dropped = metrics.counter(FRAMES_DROPPED)
        self._stale = metrics.counter(STALE_EPOCH)

    async def take(self, assign: Assign, history: tuple[Event[Any], ...]) -> None:
        """Begin to listen, or go on where another process stopped, with the audio that its gateway kept.

        Raises UnknownEngine, EngineMissing or a ModelError.
        """
        ref = CallRef(assign.tenant, assign.call)
        held = self._calls.get(ref)
        if held is not None:
            if assign.epoch <= held.teller.epoch:
                return
            await self.drop(ref)  # whoever assigned it anew took us for lost: what we heard may have holes
        names = assign.assistant.engines.stt
        await self._engines.require_one_of(names)
        loop = await self._detectors.of(names[0])
        teller = self._mouth.teller(assign)
        resumed = resumption(history) if assign.resumed else None
        call = self._new_call(assign, loop, teller, resumed)
        loop.add(call)
        gateway_epoch = assign.since.get(Role.GATEWAY, 0)
        held = self._calls[ref] = _Held(call, loop, teller, self._clock.monotonic_s(), gateway_epoch)
        if resumed is not None:
            teller.speech = resumed.open
            held.asking = self._tasks.spawn(self._catch_up(held, resumed.after_us), "kept audio")

    async def _catch_up(self, held: _Held, after_us: int) -> None:
        held.call.expect(await self._kept_audio.ask_for(held.teller.ref, held.teller.epoch, after_us))

    async def on_event(self, event: Event[Any]) -> None:
        """Nothing that others say changes what the caller says; but his leg may come to another gateway."""
        held = self._calls.get(event.ref)
        body = event.body
        if held is not None and isinstance(body, CallReassigned) and body.role is Role.GATEWAY:
            held.follow(body.epoch)

    async def drop(self, ref: CallRef) -> None:
        """Stop listening. An open turn is left without an end: call.ended, or the next worker, is its end."""
        held = self._calls.pop(ref, None)
        if held is not None:
            held.teller.closed = True
            held.stop_asking()
            held.loop.remove(held.call)
            held.call.close()

    def on_frames(self, ref: CallRef, frames: Sequence[Frame]) -> None:
        """Frames of the caller that came together: each is appended, or counted as dropped."""
        self._arrived += len(frames)
        held = self._calls.get(ref)
        if held is None:
            self._dropped.add("unknown_call", by=len(frames))
            return
        call = held.call
        for frame in frames:
            epoch = frame.epoch
            if epoch != held.gateway_epoch:
                if epoch < held.gateway_epoch:
                    self._stale.add()
                    continue
                held.follow(epoch)
            held.heard = True
            call.accept(frame)
        held.loop.wake(call)

    def bus_lost(self) -> None:
        """No frames can come: that is nobody's silence."""
        self._quiet.bus_lost()

    async def bus_back(self) -> None:
        """The frames that were kept meanwhile will come."""
        self._quiet.bus_back(self._clock.monotonic_s())

    def pass_time(self) -> None:
        """Let silence pass in turns whose caller's frames have stopped coming, where that means anything."""
        self._frames.add(by=self._arrived)
        self._arrived = 0
        now_s = self._clock.monotonic_s()
        counts = self._quiet.counts(now_s)
        for held in self._calls.values():
            if held.heard or not counts:
                held.heard, held.heard_s = False, now_s
            missing_s = now_s - held.heard_s
            if missing_s >= self._starved_s and held.call.in_turn:
                held.heard_s = now_s
                held.call.starve(round(missing_s * 1000))
                held.loop.wake(held.call)
