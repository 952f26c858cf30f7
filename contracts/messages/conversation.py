"""Events of the conversation: what stt heard, what llm said, what tts made of it."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from contracts.errors import ErrorCode
from contracts.messages.base import Count, Message, Micros, Millis, Outcome, ReplyNumber, Stage

Probability = Annotated[float, Field(ge=0, le=1)]


class Word(Message):
    """One recognized word and when it sounded, in milliseconds from the start of the turn's speech."""

    text_pii: str
    start_ms: Millis
    end_ms: Millis
    probability: Probability = 1.0


class SpeechStarted(Message):
    """The caller began to speak. Both times are the gateway's clock: onset, and the frame that decided it."""

    turn: Count
    started_us: Micros
    detected_us: Micros


class SpeechDismissed(Message):
    """What began as speech held no words (a cough, noise): no turn follows."""

    turn: Count
    audio_ms: Millis


class PartialTranscript(Message):
    """The turn so far, for eyes only."""

    turn: Count
    text_pii: str


class TurnEnded(Message):
    """The caller's turn is over and this is what was said.

    `speech_ended_us` is the gateway's clock at the last sample of speech, `decided_us` at the frame on
    which the turn was declared over; `decode_ms` is engine time, `speculative` says whether it was
    already running, or done, when the pause was long enough.
    """

    turn: Count
    text_pii: str
    language: str
    confidence: Probability
    words_pii: tuple[Word, ...] = ()
    speech_started_us: Micros
    speech_ended_us: Micros
    decided_us: Micros
    audio_ms: Millis
    decode_ms: Millis
    engine: str
    speculative: bool = False


class ReplySentence(Message):
    """One speakable sentence of a reply, in order of `index` (0-based). `turn` is None for the greeting."""

    reply: ReplyNumber
    turn: Count | None
    index: Count
    text_pii: str
    engine: str


class Next(StrEnum):
    """What follows once a reply has been heard."""

    LISTEN = "listen"
    HANG_UP = "hang_up"


class ReplyCompleted(Message):
    """The reply's text stream is over. `first_sentence_ms` counts from the turn's arrival at llm."""

    reply: ReplyNumber
    turn: Count | None
    outcome: Outcome
    sentences: Count
    engine: str
    first_sentence_ms: Millis
    total_ms: Millis
    prompt_tokens: Count = 0
    completion_tokens: Count = 0
    then: Next = Next.LISTEN


class SentenceSynthesized(Message):
    """One sentence's audio is made. `first_audio_ms` counts from the sentence's arrival at tts."""

    reply: ReplyNumber
    index: Count
    outcome: Outcome
    audio_ms: Millis
    first_audio_ms: Millis
    synthesis_ms: Millis
    cached: bool
    engine: str
    voice: str


class EngineFailed(Message):
    """An engine failed; `next_engine` took over, or None when the chain is at its end."""

    stage: Stage
    engine: str
    code: ErrorCode
    detail: str
    retryable: bool
    next_engine: str | None
