"""A call told in lines as its events come: who spoke, what, and how long the other had to wait. No I/O."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from contracts.messages import (
    CallCost,
    CallEnded,
    CallStarted,
    DtmfReceived,
    EngineFailed,
    Event,
    Outcome,
    PartialTranscript,
    PlayoutEnded,
    PlayoutStarted,
    ReplyCompleted,
    ReplySentence,
    SpeechDismissed,
    TurnEnded,
)


class Who(StrEnum):
    """Whose line it is."""

    CALLER = "caller"
    AGENT = "agent"
    PLATFORM = "·"


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the story, `at_s` seconds into the call."""

    at_s: float
    who: Who
    text: str
    note: str = ""


@dataclass(slots=True)
class _Reply:
    turn: int | None = None
    waiting: list[str] = field(default_factory=list)
    engine: str = ""
    heard: bool = False


class Narrator:
    """Turns events, in order, into lines; an agent's sentence is told when the caller begins to hear it."""

    def __init__(self) -> None:
        self.partial = ""
        self._began_us: int | None = None
        self._replies: dict[int, _Reply] = {}
        self._speech_ended_us: dict[int, int] = {}
        self._tellers: dict[type[Any], Callable[[Any], list[tuple[Who, str, str]]]] = {
            CallStarted: self._call_started,
            PartialTranscript: self._partial,
            TurnEnded: self._turn_ended,
            SpeechDismissed: self._dismissed,
            ReplySentence: self._sentence,
            PlayoutStarted: self._playout_started,
            ReplyCompleted: self._reply_completed,
            PlayoutEnded: self._playout_ended,
            DtmfReceived: lambda body: [(Who.CALLER, f"pressed {body.digit_pii}", "")],
            EngineFailed: self._engine_failed,
            CallEnded: self._call_ended,
        }

    def tell(self, event: Event[Any]) -> list[Line]:
        """What this event adds to the story; often nothing."""
        if self._began_us is None:
            self._began_us = event.at_us
        teller = self._tellers.get(type(event.body))
        at_s = (event.at_us - self._began_us) / 1_000_000
        return [Line(at_s, *parts) for parts in teller(event.body)] if teller else []

    def _call_started(self, body: CallStarted) -> list[tuple[Who, str, str]]:
        return [(Who.PLATFORM, f"{body.called} answers as {body.assistant}", f"calling: {body.caller}")]

    def _partial(self, body: PartialTranscript) -> list[tuple[Who, str, str]]:
        self.partial = body.text_pii
        return []

    def _turn_ended(self, body: TurnEnded) -> list[tuple[Who, str, str]]:
        self.partial = ""
        self._speech_ended_us[body.turn] = body.speech_ended_us
        decided_ms = (body.decided_us - body.speech_ended_us) / 1000
        note = f"understood {decided_ms:.0f} ms after the last word, {body.engine} {body.decode_ms:.0f} ms"
        return [(Who.CALLER, body.text_pii, note)]

    def _dismissed(self, _: SpeechDismissed) -> list[tuple[Who, str, str]]:
        self.partial = ""
        return []

    def _sentence(self, body: ReplySentence) -> list[tuple[Who, str, str]]:
        reply = self._replies.setdefault(body.reply, _Reply())
        reply.turn, reply.engine = body.turn, body.engine
        if reply.heard:
            return [(Who.AGENT, body.text_pii, "")]
        reply.waiting.append(body.text_pii)
        return []

    def _playout_started(self, body: PlayoutStarted) -> list[tuple[Who, str, str]]:
        reply = self._replies.setdefault(body.reply, _Reply())
        reply.heard = True
        ended_us = None if reply.turn is None else self._speech_ended_us.get(reply.turn)
        waited = f"after {(body.first_frame_us - ended_us) / 1000:.0f} ms" if ended_us else ""
        note = ", ".join(part for part in (waited, reply.engine) if part)
        return self._said(reply, note)

    def _reply_completed(self, body: ReplyCompleted) -> list[tuple[Who, str, str]]:
        if body.outcome is not Outcome.FAILED:
            return []
        return [(Who.PLATFORM, f"reply {body.reply} failed", body.engine)]

    def _playout_ended(self, body: PlayoutEnded) -> list[tuple[Who, str, str]]:
        reply = self._replies.pop(body.reply, _Reply())
        if body.outcome is Outcome.DONE:
            return self._said(reply, "")
        heard = f"{body.heard_ms / 1000:.1f} s of it heard"
        what = "interrupted" if body.outcome is Outcome.CANCELLED else "broke off"
        return [(Who.AGENT, f"({what})", heard)]

    def _engine_failed(self, body: EngineFailed) -> list[tuple[Who, str, str]]:
        then = f"{body.next_engine} takes over" if body.next_engine else "none is left"
        return [(Who.PLATFORM, f"{body.stage} engine {body.engine} failed: {body.detail}", then)]

    def _call_ended(self, body: CallEnded) -> list[tuple[Who, str, str]]:
        note = f"{body.duration_ms / 1000:.1f} s"
        if body.cost is not None:
            note += f", {_amount(body.cost)} for {body.cost.billed_s} s"
        return [(Who.PLATFORM, f"call ended: {body.reason}", note)]

    def _said(self, reply: _Reply, note: str) -> list[tuple[Who, str, str]]:
        lines = [(Who.AGENT, text, note if at == 0 else "") for at, text in enumerate(reply.waiting)]
        reply.waiting.clear()
        return lines


def _amount(cost: CallCost) -> str:
    """The amount in whole units: two decimals, and as many more as say something."""
    units, micros = divmod(cost.amount_micros, 1_000_000)
    decimals = f"{micros:06}".rstrip("0").ljust(2, "0")
    return f"{units}.{decimals} {cost.currency}"
