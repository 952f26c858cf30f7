"""What a call's events tell of its conversation: who said what, how long each stage took, how it ended."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from contracts.messages import (
    CallEnded,
    EndReason,
    Event,
    Outcome,
    PlayoutEnded,
    PlayoutStarted,
    ReplyCompleted,
    ReplySentence,
    SentenceSynthesized,
    TurnEnded,
)

Stages = dict[str, float]
"""Milliseconds by stage: endpoint, stt_decode, llm_first_sentence, tts_first_audio, voice_to_voice."""


@dataclass(frozen=True, slots=True)
class Turn:
    """What the caller said and what was answered. `turn` is None for the greeting, which answers nothing."""

    turn: int | None
    said_pii: str
    answered_pii: tuple[str, ...]
    interrupted: bool
    stages: Stages

    def matches(self, other: Turn) -> bool:
        """Whether the same was said and answered, word for word.

        An interrupted answer is as long as the moment allowed: there, one must begin as the other does.
        """
        if (self.turn, self.said_pii, self.interrupted) != (other.turn, other.said_pii, other.interrupted):
            return False
        shared = min(len(self.answered_pii), len(other.answered_pii)) if self.interrupted else None
        return self.answered_pii[:shared] == other.answered_pii[:shared]


@dataclass(frozen=True, slots=True)
class Conversation:
    """A call that is over. `heard_out` says whether the caller heard the last reply to its end."""

    turns: tuple[Turn, ...]
    heard_out: bool
    end: EndReason | None


@dataclass(slots=True)
class _Reply:
    turn: int | None
    sentences: dict[int, str] = field(default_factory=dict)
    stages: Stages = field(default_factory=dict)


def conversation_of(events: Iterable[Event[Any]]) -> Conversation:
    """The conversation in a call's events; an event that comes twice counts once."""
    heard = _Heard()
    for event in events:
        heard.hear(event.body)
    return heard.told()


class _Heard:
    def __init__(self) -> None:
        self._turns: dict[int, TurnEnded] = {}
        self._replies: dict[int, _Reply] = {}
        self._first_frames_us: dict[int, int] = {}
        self._outcomes: dict[int, Outcome] = {}
        self._first_audio_ms: dict[int, float] = {}
        self._end: EndReason | None = None

    def hear(self, body: Any) -> None:
        match body:
            case TurnEnded():
                self._turns.setdefault(body.turn, body)
            case ReplySentence():
                reply = self._replies.setdefault(body.reply, _Reply(body.turn))
                reply.sentences[body.index] = body.text_pii
            case ReplyCompleted():
                reply = self._replies.setdefault(body.reply, _Reply(body.turn))
                reply.stages["llm_first_sentence"] = body.first_sentence_ms
            case SentenceSynthesized() if body.index == 0:
                self._first_audio_ms.setdefault(body.reply, body.first_audio_ms)
            case PlayoutStarted():
                self._first_frames_us.setdefault(body.reply, body.first_frame_us)
            case PlayoutEnded():
                self._outcomes[body.reply] = body.outcome
            case CallEnded():
                self._end = body.reason

    def told(self) -> Conversation:
        answers: dict[int | None, list[int]] = {}
        for number, reply in sorted(self._replies.items()):
            answers.setdefault(reply.turn, []).append(number)
        order = [*([None] if None in answers else []), *sorted(self._turns)]
        last = max(self._replies, default=None)
        heard_out = last is None or self._outcomes.get(last) is Outcome.DONE
        return Conversation(
            tuple(self._turn(turn, answers.get(turn, [])) for turn in order), heard_out, self._end
        )

    def _turn(self, number: int | None, replies: list[int]) -> Turn:
        texts = [text for reply in replies for _, text in sorted(self._replies[reply].sentences.items())]
        ended = None if number is None else self._turns[number]
        return Turn(
            turn=number,
            said_pii=ended.text_pii if ended else "",
            answered_pii=tuple(texts),
            interrupted=any(self._outcomes.get(reply) is Outcome.CANCELLED for reply in replies),
            stages=self._stages(ended, replies[0] if replies else None) if ended else {},
        )

    def _stages(self, ended: TurnEnded, reply: int | None) -> Stages:
        stages = {
            "endpoint": (ended.decided_us - ended.speech_ended_us) / 1000,
            "stt_decode": ended.decode_ms,
        }
        if reply is None:
            return stages
        stages |= self._replies[reply].stages
        if reply in self._first_audio_ms:
            stages["tts_first_audio"] = self._first_audio_ms[reply]
        if reply in self._first_frames_us:
            stages["voice_to_voice"] = (self._first_frames_us[reply] - ended.speech_ended_us) / 1000
        return stages
