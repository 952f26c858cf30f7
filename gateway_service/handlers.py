"""Between the legs, the calls and the bus: decodes, asks the core, publishes what it says."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Final

import nats.errors
from nats.aio.subscription import Subscription

from contracts.channels import (
    CALL_DETACHED,
    CALL_ENDED,
    CALL_REASSIGNED,
    CALLER_AUDIO,
    HANG_UP,
    HEARTBEAT,
    REPLY_COMPLETED,
    SPEECH_STARTED,
    TAKE_OVER,
    TURN_ENDED,
)
from contracts.frames import FRAME_MS, Frame
from contracts.identities import CallRef, uuid7
from contracts.messages import (
    CommandReply,
    EndReason,
    Event,
    HangUp,
    Heartbeat,
    Message,
    OpenCall,
    OpenCallReply,
    Role,
    TakenOver,
    TakeOver,
)
from contracts.streams import CALLS
from contracts.telemetry import CALLS_HELD, LEGS_REFUSED, STALE_EPOCH, Span
from gateway_service.call_states import State
from gateway_service.calls import Call
from gateway_service.dispatch import Dispatch, Saying
from gateway_service.entrance import Entrance
from gateway_service.errors import (
    AlreadyAttached,
    Draining,
    GatewayError,
    GatewayFull,
    InternalFault,
    UnknownCall,
)
from gateway_service.meter import Meter
from gateway_service.pacer import PHASES_A_FRAME, Rota
from gateway_service.playout import Pace
from gateway_service.ports import CallerSide, LegOffered, LegStarted, MediaLeg, Signal
from gateway_service.questions import Questions
from gateway_service.resending import Resending
from gateway_service.settings import Settings
from runtime.connection import leave
from runtime.listening import Listening
from runtime.process import Context
from runtime.storage import last_event
from runtime.worker import RecentIds

log = logging.getLogger(__name__)

_MISSED: Final = (CALL_REASSIGNED, CALL_DETACHED, REPLY_COMPLETED, CALL_ENDED)
_HEARD_EVENTS: Final = frozenset(channel.name for channel in (SPEECH_STARTED, TURN_ENDED, *_MISSED))
_DRAIN_STEP_S: Final = 0.05


class Line:
    """One call between its leg and the bus: the `CallerSide` of the one, a listener on the other."""

    def __init__(self, call: Call, desk: Desk) -> None:
        self.call = call
        self.seat = call.id
        self._desk = desk
        self._clock = desk.context.clock
        self._dispatch = desk.dispatch
        self._send_frame = desk.context.bus.send_frame
        self._audio_subject = ""
        self._recent = RecentIds()
        self._subscriptions: list[Subscription | Listening] = []
        self._events: Listening | None = None
        self._trace: str | None = None
        self._unheard: list[Event[Any]] = []

    # -- from the leg --------------------------------------------------------------------------------

    def hear(self, payload: bytes) -> None:
        """20 ms of the caller, just arrived."""
        frame = self.call.hear(payload, self._clock.now_us())
        if frame is not None:
            self._send_frame(self._audio_subject, frame)

    def tell(self, signal: Signal) -> None:
        """Something beside audio, or the fault for which the leg is to be ended."""
        match signal:
            case LegOffered():
                self._begin(self._desk.entrance.admit(signal, self._clock.now_us()))
            case GatewayError():
                self.fail(signal)
            case _:
                self.publish(self.call.on_signal(signal, self._clock.now_us()))

    def gone(self, reason: EndReason, detail: str) -> None:
        """The leg is closed."""
        self.publish(self.call.gone(reason, detail, self._clock.now_us()))
        self._desk.forget(self)
        self._desk.context.tasks.spawn(self._leave(), "leave")

    def fail(self, error: GatewayError) -> None:
        """End the leg for `error`, and count it."""
        if not self.call.over:
            self._desk.count_refusal(error)
            self.publish(self.call.fail(error, self._clock.now_us()))

    # -- opening -------------------------------------------------------------------------------------

    def _begin(self, start: LegStarted) -> None:
        if start.call is not None:
            self._desk.seat(self, start.call)
        request = self.call.begin(start)
        self._desk.context.tasks.spawn(self._open(request, start), "open")

    async def _open(self, request: OpenCall, start: LegStarted) -> None:
        """Ask the session; a fault in here ends this call and no other."""
        questions = self._desk.questions
        try:
            with self._desk.context.tracer.span(Span.CALL_OPEN) as self._trace:
                if start.late:
                    await questions.check_goes_on(start)
                await self._accept(await questions.may_open(request))
        except GatewayError as error:
            self.fail(error)
        except Exception:
            log.exception("call %s could not be opened", self.call.id)
            self.fail(InternalFault("this call could not be opened", mend="see the gateway's log"))

    async def _accept(self, reply: OpenCallReply) -> None:
        """Hear the call's events first, then say that it has started: no answer to that may be missed."""
        ref = CallRef(reply.tenant or "", reply.call or self.call.id)
        self._desk.seat(self, ref.call)
        tokens = {"tenant": ref.tenant, "call": ref.call}
        self._audio_subject = CALLER_AUDIO.subject(process=reply.workers[Role.STT], **tokens)
        bus = self._desk.context.bus
        if not self.call.over:
            self._events = await bus.on_events(ref, self.hear_event, _HEARD_EVENTS)
            self._subscriptions.append(self._events)
            answering = await bus.respond(HANG_UP.subject(**tokens), HangUp, CommandReply, self._hang_up)
            self._subscriptions.append(answering)
            taking = await bus.respond(TAKE_OVER.subject(**tokens), TakeOver, TakenOver, self._take_over)
            self._subscriptions.append(taking)
        past = await self._desk.questions.past_of(ref) if reply.resumed else None
        self.publish(self.call.accept(reply, self._clock.now_us()))
        if past is not None:
            self.publish(self.call.go_on(past, self._clock.now_us()))
        for frame in self.call.kept():
            self._send_frame(self._audio_subject, frame)
        for event in self._unheard:
            await self.hear_event(event)
        if self.call.ended:  # while we were subscribing
            await self._leave()

    async def _leave(self) -> None:
        """Hear no more of the call. Never from a subscription's own callback: it would cancel itself."""
        leaving, self._subscriptions = self._subscriptions, []
        await leave(*leaving)

    # -- from the bus --------------------------------------------------------------------------------

    def play(self, frames: Sequence[Frame]) -> None:
        """Agent frames, behind the events that came before them: the speech that they answer may be among
        those, and would silence them.
        """
        if self._events is None:
            self._play(frames)
        else:
            self._events.behind(partial(self._play, frames))

    def _play(self, frames: Sequence[Frame]) -> None:
        self._guarded(lambda: self.call.play(frames, self._clock.now_us()))

    def tick(self) -> bool:
        """Send what is due of the agent's audio; whether there is more to come."""
        self._guarded(lambda: self.call.tick(self._clock.now_us()))
        return self.call.speaking and not self.call.over

    def _guarded(self, playing: Callable[[], list[Message]]) -> None:
        """Publish what comes of playing; a fault in it ends this call and no other."""
        try:
            self.publish(playing())
        except Exception:
            log.exception("playing to call %s failed", self.call.id)
            self.fail(InternalFault("playing to this call failed", mend="see the gateway's log"))

    def hold(self) -> None:
        """The bus is lost: what the caller says is kept, and sent once it is back."""
        self.call.hold(self._clock.now_us())

    def say_again(self) -> None:
        """The bus is back: send what was kept, and what comes behind it."""
        if self.call.holds and not self.call.over:
            self._desk.resend(self)

    async def catch_up(self) -> None:
        """After a reconnection: what would have ended the call, or is to end it after a reply, or says who
        speaks for it now, is not said again.
        """
        if self.call.ref is None:
            return
        for channel in _MISSED:
            subject = channel.subject(tenant=self.call.ref.tenant, call=self.call.ref.call)
            event = await last_event(self._desk.context.bus.jetstream, CALLS, subject)
            if event is not None:
                await self.hear_event(event)

    async def hear_event(self, event: Event[Any]) -> None:
        """An event of this call, as another service said it."""
        if self.call.state is State.OPENING:
            self._unheard.append(event)
            return
        if not self._recent.is_new(event.id):
            return
        if not self.call.believes(event):
            self._desk.stale_epoch.add()
            return
        self.publish(self.call.on_event(event, self._clock.now_us()), cause=event)

    async def _hang_up(self, command: HangUp) -> CommandReply:
        if self.call.over:
            raise UnknownCall(f"call {self.call.id} is over already", mend="nothing is left to do")
        self.publish(self.call.hang_up(command.reason, command.detail, self._clock.now_us()))
        return CommandReply()

    async def _take_over(self, command: TakeOver) -> TakenOver:
        if self.call.over or self.call.ref is None:
            raise UnknownCall(
                f"call {self.call.id} has no open leg here",
                mend="ask again while the call goes on",
                retryable=not self.call.over,
            )
        answer = self.call.take_over(command, self._clock.now_us())
        if command.role is Role.STT:
            self._audio_subject = CALLER_AUDIO.subject(
                process=command.process, tenant=self.call.ref.tenant, call=self.call.ref.call
            )
            self._desk.resend(self)
        return answer

    # -- to the bus ----------------------------------------------------------------------------------

    def resend(self, frames: int) -> bool:
        """Send up to so many of the kept frames again; False once the newest has been sent."""
        for _ in range(frames):
            frame = self.call.resend()
            if frame is None:
                return False
            self._send_frame(self._audio_subject, frame)
        return True

    def drain(self) -> None:
        """Close the leg, for its carrier to bring it to another gateway."""
        self.publish(self.call.drain(self._clock.now_us()))

    def publish(self, bodies: list[Message], cause: Event[Any] | None = None) -> None:
        """Publish what the core said, in order; from here on the call is paced if it has audio to send."""
        for body in bodies:
            assert self.call.ref is not None
            trace = None if cause else self._trace
            self._dispatch.event(Saying(self.call.ref, body, cause, trace, self.call.epoch))
        if self.call.speaking:
            self._desk.pace(self)


class Desk:
    """Every call of this process: where legs connect, and where the bus's frames find theirs."""

    def __init__(self, settings: Settings, context: Context, pace: Pace, entrance: Entrance) -> None:
        self.settings = settings
        self.entrance = entrance
        self.context = context
        self.meter = Meter(context.metrics)
        self.dispatch = Dispatch(context.bus)
        context.bus.frames.limit = settings.gateway_bus_queue_frames
        self.questions = Questions(context.bus, settings, context.clock)
        self.rota = Rota()
        self.ticks_wanted = asyncio.Event()
        self.resending = Resending(context.bus.frames)
        self.draining = False
        self.stale_epoch = context.metrics.counter(STALE_EPOCH)
        self._refused = context.metrics.counter(LEGS_REFUSED)
        self._pace = pace
        self._lines: dict[str, Line] = {}
        self._started_us = context.clock.now_us()
        context.metrics.gauge(CALLS_HELD, lambda: len(self))

    def __len__(self) -> int:
        return len(self._lines)

    def connect(self, leg: MediaLeg) -> CallerSide:
        """A new leg; raises Draining or GatewayFull where none can be taken."""
        try:
            self._check_room()
        except GatewayError as error:
            self.count_refusal(error)
            raise
        clock, settings = self.context.clock, self.settings
        call = Call(
            uuid7(clock.now_us() // 1000, self.context.rng),
            self.context.process,
            leg,
            self.meter,
            self._pace,
            kept_frames=settings.gateway_opening_audio_ms // FRAME_MS,
            ring_frames=int(settings.gateway_kept_audio_s * 1000) // FRAME_MS,
        )
        line = self._lines[call.id] = Line(call, self)
        return line

    def _check_room(self) -> None:
        if self.draining:
            raise Draining("this gateway is draining", mend="call again; another one answers")
        capacity = self.settings.gateway_capacity
        if len(self._lines) >= capacity:
            raise GatewayFull(
                f"this gateway holds {capacity} of {capacity} calls",
                mend="try again later, or raise TRUNKLINE_GATEWAY_CAPACITY",
            )

    def count_refusal(self, error: GatewayError) -> None:
        """A leg was refused, or ended for a fault."""
        self._refused.add(error.counted_as)
        log.info("leg refused: %s", error)

    def seat(self, line: Line, call_id: str) -> None:
        """The leg on this line is that of `call_id`; raises AlreadyAttached while another here is."""
        held = self._lines.get(call_id)
        if held is not None and held is not line and not held.call.over:
            raise AlreadyAttached(
                "another leg has this call", mend="a media token is for one leg; ask for another"
            )
        self.forget(line)
        self._lines[call_id] = line
        line.seat = call_id

    def forget(self, line: Line) -> None:
        """The leg of this call is gone."""
        if self._lines.get(line.seat) is line:
            del self._lines[line.seat]

    async def catch_up(self) -> None:
        """The bus is back: look in the stream for what it did not carry meanwhile."""
        for line in list(self._lines.values()):
            await line.catch_up()

    def hold(self) -> None:
        """The bus is lost: keep what callers say."""
        for line in self._lines.values():
            line.hold()

    async def say_again(self) -> None:
        """The bus is back: send what callers said meanwhile."""
        await self.context.bus.reachable()
        for line in list(self._lines.values()):
            line.say_again()

    def on_frames(self, ref: CallRef, frames: Sequence[Frame]) -> None:
        """Agent frames for one of the calls here."""
        line = self._lines.get(ref.call)
        if line is None or line.call.ref != ref:
            for _ in frames:
                self.meter.dropped("unknown_call")
        else:
            line.play(frames)

    def is_busy(self) -> bool:
        """Whether there are so many calls that it pays to serve them together."""
        return len(self._lines) >= self.settings.gateway_nap_from_calls

    def pace(self, line: Line) -> None:
        """This line has audio to send to its caller from now on."""
        self.rota.join(line)
        self.ticks_wanted.set()

    def resend(self, line: Line) -> None:
        """Send this line's kept audio again, from the next tick on."""
        self.resending.begin(line)
        self.ticks_wanted.set()

    def tick(self) -> bool:
        """The next phase has begun; whether there is anything to do in the one after it."""
        self.rota.tick()
        if self.rota.phase % PHASES_A_FRAME == 0 and self.context.bus.connected:
            self.resending.tick()
        return bool(self.rota or self.resending)

    async def beat(self) -> None:
        """Say that this gateway lives, and which callers are quiet, until cancelled."""
        while True:
            if self.context.bus.connected:  # an old heartbeat is worse than none
                await self.say_alive()
            await self.context.clock.sleep(self.settings.heartbeat_s)

    async def say_alive(self) -> None:
        """One heartbeat."""
        process, now_us = self.context.process, self.context.clock.now_us()
        heartbeat = Heartbeat(
            role=Role.GATEWAY,
            process=process,
            at_us=now_us,
            started_us=self._started_us,
            calls=len(self._lines),
            capacity=self.settings.gateway_capacity,
            draining=self.draining,
            quiet_ms=self._quiet_ms(now_us),
        )
        with suppress(nats.errors.Error):
            await self.context.bus.publish(
                HEARTBEAT.subject(role=Role.GATEWAY.value, process=process), heartbeat
            )

    def _quiet_ms(self, now_us: int) -> dict[str, int]:
        quiet = {call_id: line.call.quiet_us(now_us) // 1000 for call_id, line in self._lines.items()}
        return {call_id: ms for call_id, ms in quiet.items() if ms >= self.settings.gateway_quiet_after_ms}

    async def drain(self) -> None:
        """Refuse new legs, and close those that are here, each when nobody speaks on it or after a while;
        returns when the last one is gone.
        """
        self.draining = True
        await self.say_alive()
        clock = self.context.clock
        deadline_s = clock.monotonic_s() + self.settings.gateway_drain_patience_s
        while self._lines:
            late = clock.monotonic_s() >= deadline_s
            self._close(line for line in self._lines.values() if late or not line.call.engaged)
            await clock.sleep(_DRAIN_STEP_S)

    async def close_all(self, timeout_s: float) -> None:
        """Close every leg that is still here; returns when they are gone, or after `timeout_s`."""
        clock = self.context.clock
        self._close(self._lines.values())
        await self.dispatch.flush()
        deadline_s = clock.monotonic_s() + timeout_s
        while self._lines and clock.monotonic_s() < deadline_s:
            await clock.sleep(0.02)

    def _close(self, lines: Iterable[Line]) -> None:
        for line in list(lines):
            line.drain()
