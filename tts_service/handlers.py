"""From the bus to the core and back: no decisions here."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from contracts.channels import AGENT_AUDIO
from contracts.frames import Frame
from contracts.identities import CallRef
from contracts.messages import (
    Assign,
    CallDetached,
    CallReassigned,
    EngineFailed,
    Event,
    Outcome,
    PlayoutEnded,
    ReplyCompleted,
    ReplySentence,
    Role,
    SentenceSynthesized,
    SpeechStarted,
    Stage,
    TakenOver,
)
from contracts.telemetry import FRAMES_OUT, STAGE_SECONDS
from runtime.bus import Bus
from runtime.tasks import TaskOwner
from runtime.telemetry import Metrics
from tts_service.casting import Cast, Engines
from tts_service.ports import Outlet
from tts_service.synthesis import CallSynthesis
from tts_service.warming import Warmer


class BusOutlet:
    """The Outlet port of one call over the bus."""

    def __init__(self, bus: Bus, metrics: Metrics, assign: Assign) -> None:
        self._bus = bus
        self._ref = CallRef(assign.tenant, assign.call)
        self._frames_out = metrics.counter(FRAMES_OUT)
        self._stage_seconds = metrics.histogram(STAGE_SECONDS)
        self.follow(assign)

    def follow(self, assign: Assign) -> None:
        """From here on send to this assignment's gateway, under its epoch."""
        self._epoch = assign.epoch
        self.turn_to(assign.gateway)

    def turn_to(self, gateway: str) -> None:
        """From here on send to this gateway."""
        self._subject = AGENT_AUDIO.subject(process=gateway, tenant=self._ref.tenant, call=self._ref.call)

    async def send(self, frames: Sequence[Frame]) -> None:
        """To the gateway that holds the leg. While NATS is away it waits: late, it can be played yet."""
        await self._bus.reachable()
        for frame in frames:
            self._bus.send_frame(self._subject, frame._replace(epoch=self._epoch))
        self._frames_out.add(by=len(frames))

    async def synthesized(
        self, cause: Event[ReplySentence] | None, body: SentenceSynthesized, trace: str | None
    ) -> None:
        """To the record."""
        if body.synthesis_ms:
            self._stage_seconds(body.synthesis_ms / 1000, Stage.TTS, body.engine)
        await self._bus.publish_event(self._ref, body, cause=cause, epoch=self._epoch, trace=trace)

    async def engine_failed(self, cause: Event[ReplySentence], body: EngineFailed) -> None:
        """To the record."""
        await self._bus.publish_event(self._ref, body, cause=cause, epoch=self._epoch)


@dataclass(slots=True)
class _Held:
    """A call of ours. `joining` asks the gateway of a call that was another worker's, `rejoining` the one
    to which the leg came again.
    """

    assign: Assign
    outlet: BusOutlet
    synthesis: CallSynthesis
    joining: asyncio.Task[None] | None = None
    rejoining: asyncio.Task[None] | None = None

    @property
    def barge_in(self) -> bool:
        return self.assign.assistant.barge_in

    def follow(self, assign: Assign) -> None:
        """From here on it is held by this assignment."""
        self.assign = assign
        self.outlet.follow(assign)

    def stop_rejoining(self) -> None:
        if self.rejoining is not None:
            self.rejoining.cancel()


class Handlers:
    """The calls of this process: taken, told of their events, dropped."""

    def __init__(
        self,
        engines: Engines,
        warmer: Warmer,
        tasks: TaskOwner,
        *,
        new_outlet: Callable[[Assign], BusOutlet],
        new_synthesis: Callable[[Cast, Outlet], CallSynthesis],
        ask_gateway: Callable[[Assign], Awaitable[TakenOver]],
    ) -> None:
        self._engines = engines
        self._warmer = warmer
        self._tasks = tasks
        self._new_outlet = new_outlet
        self._new_synthesis = new_synthesis
        self._ask_gateway = ask_gateway
        self._calls: dict[CallRef, _Held] = {}

    async def take(self, assign: Assign, history: tuple[Event[Any], ...]) -> None:
        """Begin to hold the call, go on with it after another worker, or follow it to another epoch.

        Raises what `Engines.cast` raises when nobody can speak for the assistant.
        """
        ref = CallRef(assign.tenant, assign.call)
        held = self._calls.get(ref)
        if held is not None:
            held.follow(assign)
            return
        cast = await self._engines.cast(assign.assistant, assign.tenant)
        outlet = self._new_outlet(assign)
        synthesis = self._new_synthesis(cast, outlet)
        held = self._calls[ref] = _Held(assign, outlet, synthesis)
        if history:
            await self._recall(held, history)
            outlet.follow(assign)
            held.joining = self._tasks.spawn(self._join(held, assign), "join")
        else:
            synthesis.start()
        self._warmer.wish(assign.assistant, cast)

    async def on_event(self, event: Event[Any]) -> None:
        """What llm, stt, the gateway and the session say about the call."""
        held = self._calls.get(event.ref)
        if held is None:
            return
        if isinstance(event.body, CallDetached):
            held.stop_rejoining()
        if _is_leg_elsewhere(event):
            held.outlet.turn_to(event.body.process)
            self._begin_to_rejoin(held)
        else:
            await _tell(held, event)

    async def rejoin(self) -> None:
        """The bus was away: what was on its way then has not arrived, and is said again from there."""
        for held in self._calls.values():
            if held.synthesis.at_a_gateway and (held.joining is None or held.joining.done()):
                self._begin_to_rejoin(held)

    async def drop(self, ref: CallRef) -> None:
        """Let go of the call; what was not said of it is cancelled."""
        held = self._calls.pop(ref, None)
        if held is not None:
            if held.joining is not None:
                held.joining.cancel()
            held.stop_rejoining()
            await held.synthesis.close()

    async def _recall(self, held: _Held, history: tuple[Event[Any], ...]) -> None:
        """Let the record in through the doors of live events."""
        ended = (event.body for event in history if isinstance(event.body, SentenceSynthesized))
        held.synthesis.recall((body.reply, body.index) for body in ended)
        for event in history:
            await _tell(held, event)

    async def _join(self, held: _Held, assign: Assign) -> None:
        """Speak from where the gateway has no more."""
        taken = await self._ask_gateway(assign)
        held.synthesis.skip(taken.reply, taken.sentences)
        held.synthesis.start()

    def _begin_to_rejoin(self, held: _Held) -> None:
        held.stop_rejoining()
        held.synthesis.detach()
        held.rejoining = self._tasks.spawn(self._rejoin(held), "rejoin")

    async def _rejoin(self, held: _Held) -> None:
        """Go on once the gateway can play, from where it has no more: what comes earlier is dropped."""
        if held.joining is not None:
            await asyncio.wait({held.joining})
        taken = await self._ask_gateway(held.assign)
        held.synthesis.skip(taken.reply, taken.sentences)
        held.synthesis.attach()


def _is_leg_elsewhere(event: Event[Any]) -> bool:
    return isinstance(event.body, CallReassigned) and event.body.role is Role.GATEWAY


async def _tell(held: _Held, event: Event[Any]) -> None:
    """Which of the doors an event goes through."""
    match event.body:
        case ReplySentence():
            await held.synthesis.add(event)
        case ReplyCompleted() as body:
            await held.synthesis.complete(body)
        case SpeechStarted(turn=turn) if held.barge_in:
            await held.synthesis.interrupt(turn)
        case PlayoutEnded(reply=reply, outcome=Outcome.CANCELLED):
            await held.synthesis.cancel(reply)
        case PlayoutEnded(reply=reply):
            await held.synthesis.heard(reply)
        case CallDetached():
            held.synthesis.detach()
        case CallReassigned(role=Role.GATEWAY, process=gateway):
            held.outlet.turn_to(gateway)
            held.synthesis.attach()
