"""One call's life: opened, talked, ended. Decides what to publish; does not know the bus, nor the carrier.

Every method returns the event bodies that follow from what happened, in order. Whoever holds the call
publishes them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any, Final

from contracts.epochs import Border
from contracts.frames import FRAME_MS, Frame, caller_frame
from contracts.identities import CallRef
from contracts.messages import (
    CallDetached,
    CallEnded,
    CallReassigned,
    CallStarted,
    DtmfReceived,
    EndReason,
    Event,
    LegEnded,
    Message,
    Next,
    OpenCall,
    OpenCallReply,
    Outcome,
    PlayoutEnded,
    PlayoutStarted,
    ReplyCompleted,
    Role,
    SpeechStarted,
    TakenOver,
    TakeOver,
    TurnEnded,
)
from gateway_service.call_states import OVER, State, Step, after
from gateway_service.errors import GatewayError, OutOfOrder, StaleTakeOver
from gateway_service.history import History
from gateway_service.kept_audio import KeptAudio
from gateway_service.playout import Pace, Playout, Sound
from gateway_service.ports import DigitPressed, FrameMeter, HungUp, LegStarted, MarkPlayed, MediaLeg
from gateway_service.turns import Turns

_NORMAL: Final = 1000
_GOING_AWAY: Final = 1012
_EARLY_DIGITS: Final = 32
_UNSURE_US: Final = 200_000


class Call:
    """A caller's leg and the conversation on it. Times are the gateway's clock.

    `call_id`, a UUIDv7, holds until the leg's token or the session says which call it is.
    """

    def __init__(
        self,
        call_id: str,
        process: str,
        leg: MediaLeg,
        meter: FrameMeter,
        pace: Pace,
        *,
        kept_frames: int,
        ring_frames: int = 600,
    ) -> None:
        self.id = call_id
        self.ref: CallRef | None = None
        self.state = State.CONNECTED
        self._process = process
        self._leg = leg
        self._meter = meter
        self._pace = pace
        self._start: LegStarted | None = None
        self._playout = Playout(pace, since=0)
        self.epoch = 0
        self._border = Border()
        self._accepted_us = 0
        self._barge_in = True
        self._ring_frames = ring_frames
        self._ring: KeptAudio | None = None
        self._taken_over: tuple[TakeOver, TakenOver] | None = None
        self._kept: deque[tuple[bytes, int]] = deque(maxlen=kept_frames)
        self._early: list[DigitPressed] = []
        self._turns = Turns()
        self._hang_up_after: int | None = None
        self._last_ended: PlayoutEnded | None = None
        self._unsaid: LegEnded | None = None
        self._heard_us: int | None = None
        self._frames_in = self._frames_out = self._frames_dropped = 0

    @property
    def over(self) -> bool:
        """The leg is closed, or is about to be."""
        return self.state in OVER

    @property
    def ended(self) -> bool:
        """The leg is closed."""
        return self.state is State.ENDED

    @property
    def speaking(self) -> bool:
        """The agent has audio queued, playing or awaited."""
        return not self._playout.idle

    @property
    def engaged(self) -> bool:
        """Somebody speaks, as far as can be known here, or the caller waits for an answer."""
        return self.speaking or self._turns.waiting

    def quiet_us(self, now_us: int) -> int:
        """How long the caller has sent no media; 0 unless the call is answered."""
        return now_us - self._heard_us if self._heard_us is not None and self.state is State.TALKING else 0

    # -- opening -------------------------------------------------------------------------------------

    def begin(self, start: LegStarted) -> OpenCall:
        """The leg says who calls: what to ask the session. Raises OutOfOrder for a second start."""
        self.state = after(self.state, Step.START)
        self._start = start
        self.id = start.call or self.id
        return OpenCall(
            call=self.id,
            called=start.called,
            caller=start.caller,
            carrier_call_id=start.carrier_call_id,
            gateway=self._process,
        )

    def accept(self, reply: OpenCallReply, now_us: int) -> list[Message]:
        """The session accepted, and its events are being heard. A leg that is gone by now is reported so."""
        assert reply.tenant
        assert reply.number
        assert reply.assistant
        assert self._start
        self.id = reply.call or self.id
        self.ref = CallRef(reply.tenant, self.id)
        if self.over:
            return [self._unsaid] if self._unsaid else []
        self.state = after(self.state, Step.ACCEPT)
        self.epoch = reply.epoch
        if not reply.resumed:  # all began in this epoch
            self._border.join(dict.fromkeys(Role, reply.epoch))
        self._border.join(reply.since)
        self._playout = Playout(self._pace, self._border.since(Role.TTS))
        self._ring = KeptAudio(self._ring_frames)
        self._barge_in = reply.assistant.barge_in
        self._heard_us = self._accepted_us = now_us
        early = [DtmfReceived(digit_pii=one.digit) for one in self._early]
        if reply.resumed:
            return [*early]
        started = CallStarted(
            called=reply.number,
            caller=self._start.caller,
            carrier_call_id=self._start.carrier_call_id,
            protocol=self._start.protocol,
            gateway=self._process,
            assistant=reply.assistant.id,
            language=reply.assistant.language,
            channel=reply.channel,
        )
        return [started, *early]

    def go_on(self, past: History, now_us: int) -> list[Message]:
        """Be the returned leg of a call whose gateway was lost: take up where that one was.

        Frames are numbered by the time since the call began, so that those of the outage are missing ones.
        """
        if past.started_us:
            self._ring = KeptAudio(self._ring_frames, max(0, now_us - past.started_us) // (FRAME_MS * 1000))
        if past.last_playout is not None:
            self._last_ended = past.last_playout
            self._playout.go_on_after(past.last_playout.reply)
        return [body for event in past.heard for body in self.on_event(event, now_us)]

    # -- from the caller -----------------------------------------------------------------------------

    def hear(self, payload: bytes, now_us: int) -> Frame | None:
        """20 ms of the caller: the frame to send on, None while the call is not open or is over, and while
        older ones are to be sent again: then it follows them by `resend`.

        Raises OutOfOrder before the start.
        """
        if self.state is State.TALKING:
            self._heard_us = now_us
            self._meter.came_in()
            frame = self._stamp(payload, now_us)
            return None if self._ring is not None and self._ring.again else frame
        if self.state is State.OPENING:
            self._meter.came_in()
            if len(self._kept) == self._kept.maxlen:
                self._drop("opening")
            self._kept.append((payload, now_us))
        elif self.state is State.CONNECTED:
            raise OutOfOrder("media before start", mend="send start first")
        return None

    def kept(self) -> list[Frame]:
        """What the caller said while the call was being opened, oldest first; empty the second time."""
        frames = [self._stamp(payload, at_us) for payload, at_us in self._kept]
        self._kept.clear()
        return frames

    def _stamp(self, payload: bytes, at_us: int) -> Frame:
        assert self._ring
        self._frames_in += 1
        return caller_frame(self._ring.keep(payload, at_us), at_us, payload, self.epoch)

    def hold(self, now_us: int) -> None:
        """Nothing can be sent: what the caller says is kept, for `resend` to give once it can.

        From a little before now on, because what was sent last may not have arrived.
        """
        if self._ring is not None and not self._ring.again:
            self._ring.begin_again(now_us - _UNSURE_US)

    @property
    def holds(self) -> bool:
        """Whether older frames are to be sent before new ones."""
        return self._ring is not None and self._ring.again

    def resend(self) -> Frame | None:
        """The next frame that a replacement is to hear; None once it has caught up, or the call is over."""
        again = self._ring.next_again() if self._ring is not None and self.state is State.TALKING else None
        if again is None:
            return None
        number, payload, at_us = again
        return caller_frame(number, at_us, payload, self.epoch)

    def on_signal(self, signal: DigitPressed | MarkPlayed | HungUp, now_us: int) -> list[Message]:
        """What the leg says beside audio. Raises OutOfOrder for a key or a mark before the start."""
        if self.over:
            return []
        match signal:
            case HungUp():
                return self.hang_up(EndReason.CALLER_HUNG_UP, "", now_us)
            case _ if self.state is State.CONNECTED:
                raise OutOfOrder("a key or a mark before start", mend="send start first")
            case MarkPlayed(name):
                self._playout.mark_played(name, now_us)
                return self._spoken(now_us)
            case DigitPressed(digit):
                if self.state is State.TALKING:
                    return [DtmfReceived(digit_pii=digit)]
                self._early = [*self._early, signal][:_EARLY_DIGITS]
        return []

    # -- to the caller -------------------------------------------------------------------------------

    def play(self, frames: Sequence[Frame], now_us: int) -> list[Message]:
        """Agent frames from the bus: queued, and sent at once where the caller hears nothing now."""
        if self.state is not State.TALKING:
            for _ in frames:
                self._drop("call_over")
            return []
        hungry = self._playout.hungry
        for frame in frames:
            why = self._playout.put(frame)
            if why is not None:
                self._drop(why)
        return self.tick(now_us) if hungry else []

    def tick(self, now_us: int) -> list[Message]:
        """Send what is due; what began or ended with it."""
        if self.state is not State.TALKING:
            return []
        sounds = self._playout.due(now_us)
        if sounds:
            self._send(sounds)
        return self._spoken(now_us)

    def _spoken(self, now_us: int) -> list[Message]:
        """What playout has to tell, and the hang-up that was to follow a reply."""
        news = self._playout.news(now_us)
        for body in news:
            if isinstance(body, PlayoutStarted):
                self._turns.waiting = False
            elif isinstance(body, PlayoutEnded):
                self._last_ended = body
                if self._was_goodbye(body):
                    return news + self.hang_up(EndReason.AGENT_HUNG_UP, "", now_us)
        return news

    def _was_goodbye(self, ended: PlayoutEnded) -> bool:
        return ended.reply == self._hang_up_after and ended.outcome is not Outcome.CANCELLED

    # -- from the bus --------------------------------------------------------------------------------

    def believes(self, event: Event[Any]) -> bool:
        """Whether an event counts: not where another process has come to speak for that role since."""
        return self._border.believes(event)

    def on_event(self, event: Event[Any], now_us: int) -> list[Message]:
        """An event of this call from another service, each once, and none that is not believed."""
        if self.state is not State.TALKING:
            return []
        match event.body:
            case SpeechStarted(turn=turn, started_us=started_us):
                return self._interrupted(now_us) if self._turns.started(turn, started_us) else []
            case TurnEnded(turn=turn):
                return self._interrupted(now_us) if self._turns.ended(turn) else []
            case ReplyCompleted() as body:
                return self._reply_completed(body, now_us)
            case CallReassigned() as body:
                self._reassigned(body, now_us)
            case CallDetached(gateway=gateway):
                if gateway == self._process and event.at_us > self._accepted_us:
                    self._let_go("the call is elsewhere")
            case CallEnded(reason=reason, detail=detail):
                return self.hang_up(reason, detail, now_us)
        return []

    def _interrupted(self, now_us: int) -> list[Message]:
        """Barge-in, once a turn: a turn that ended had begun, even where its speech.started was lost."""
        if not self._barge_in:
            return []
        if self._playout.clear(now_us):
            self._leg.clear()
        return self._spoken(now_us)

    def _reply_completed(self, body: ReplyCompleted, now_us: int) -> list[Message]:
        if body.then is Next.HANG_UP and body.outcome is not Outcome.CANCELLED:
            self._hang_up_after = body.reply
        if self._last_ended is not None and self._was_goodbye(self._last_ended):
            return self.hang_up(EndReason.AGENT_HUNG_UP, "", now_us)
        if self._playout.complete(body.reply, body.outcome, body.sentences, now_us):
            self._leg.clear()
        return self._spoken(now_us)

    # -- processes come and go -----------------------------------------------------------------------

    def take_over(self, command: TakeOver, now_us: int) -> TakenOver:
        """A process speaks for a role in place of another; for stt, `resend` gives what it is to hear first,
        and the same command again changes nothing. For tts it may be the same process, which begins anew.

        Raises StaleTakeOver.
        """
        if self._taken_over is not None and self._taken_over[0] == command:
            return self._taken_over[1]
        since = self._border.since(command.role)
        if command.epoch < since:
            raise StaleTakeOver(
                f"{command.process} takes over {command.role} in epoch {command.epoch} of call {self.id},"
                f" which another process has since {since}",
                mend="let go of the call",
            )
        self._border.move(command.role, command.epoch)
        frames = 0
        if command.role is Role.STT:
            frames = self._ring.begin_again(command.after_us) if self._ring is not None else 0
        elif command.role is Role.TTS:
            self._playout.said_anew(command.epoch, now_us)
        reply, sentences = self._playout.held
        answer = TakenOver(reply=reply, sentences=sentences, frames=frames)
        if command.role is Role.STT:
            self._taken_over = command, answer
        return answer

    def _reassigned(self, body: CallReassigned, now_us: int) -> None:
        if body.role is Role.GATEWAY:
            if body.epoch > self.epoch:
                self._let_go("the call is elsewhere")
        elif body.role is not Role.STT:
            self._playout.replaced(self._border.since(Role.TTS), now_us)

    def _let_go(self, reason: str) -> None:
        """Close the leg, for its carrier to bring it again: the call goes on elsewhere, or waits for it."""
        self.state = after(self.state, Step.CLOSE)
        self._leg.close(_GOING_AWAY, reason)

    def drain(self, now_us: int) -> list[Message]:
        """Close the leg so that it comes again elsewhere; nothing when it is over already.

        What is being said is not said to have ended: it will be said again there.
        """
        if self.state is not State.TALKING:
            return self.hang_up(EndReason.DRAINED, "the gateway stops", now_us)
        self._let_go(EndReason.DRAINED.value)
        return [self._leg_ended(EndReason.DRAINED, "the gateway stops")]

    # -- the end -------------------------------------------------------------------------------------

    def hang_up(self, reason: EndReason, detail: str, now_us: int) -> list[Message]:
        """Close the leg in good order; nothing when it is over already."""
        code = _GOING_AWAY if reason is EndReason.DRAINED else _NORMAL
        return self._close(reason, detail, code, reason.value, now_us)

    def fail(self, error: GatewayError, now_us: int) -> list[Message]:
        """Close the leg for a fault, or because the call may not be answered; the caller is told why."""
        return self._close(error.end_reason, str(error), error.close_code, error.reason, now_us)

    def gone(self, reason: EndReason, detail: str, now_us: int) -> list[Message]:
        """The leg is closed. Says so unless it was said when it was told to close."""
        if self.state is State.ENDED:
            return []
        told = self.over
        self.state = after(self.state, Step.GONE)
        self._ring = None  # a hundred kilobytes, which would wait for the garbage collector
        return [] if told else self._last_words(reason, detail, now_us)

    def _close(self, reason: EndReason, detail: str, code: int, text: str, now_us: int) -> list[Message]:
        if self.over:
            return []
        self.state = after(self.state, Step.CLOSE)
        self._leg.close(code, text)
        return self._last_words(reason, detail, now_us)

    def _last_words(self, reason: EndReason, detail: str, now_us: int) -> list[Message]:
        """What was being said is cut, then the leg is over. Kept back until the call has a tenant."""
        self._playout.clear(now_us)
        self._unsaid = self._leg_ended(reason, detail)
        return [*self._playout.news(now_us), self._unsaid] if self.ref else []

    def _leg_ended(self, reason: EndReason, detail: str) -> LegEnded:
        return LegEnded(
            reason=reason,
            detail=detail,
            frames_in=self._frames_in,
            frames_out=self._frames_out,
            frames_dropped=self._frames_dropped,
        )

    def _send(self, sounds: list[Sound]) -> None:
        """What is due leaves in as few messages as its marks allow: each costs more than its sound."""
        frames, together = 0, b""
        for payload, mark in sounds:
            frames += bool(payload)
            together = together + payload if together else payload
            if mark is not None:
                self._send_piece(together, mark, frames)
                frames, together = 0, b""
        if together:
            self._send_piece(together, None, frames)

    def _send_piece(self, payload: bytes, mark: str | None, frames: int) -> None:
        if not self._leg.send_audio(payload, mark):
            for _ in range(frames or 1):
                self._drop("slow_reader")
        elif frames:
            self._frames_out += frames
            self._meter.went_out(frames)

    def _drop(self, why: str) -> None:
        self._frames_dropped += 1
        self._meter.dropped(why)
