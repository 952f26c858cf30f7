"""What recognition asks to have done, and what it is told of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from contracts.messages import Message
from stt_service.ports import Segment, Transcript


class Purpose(Enum):
    """Why a stretch of audio is to be written down; `PARTIAL` only while nobody waits for anything else."""

    PAUSE = "pause"
    PIECE = "piece"
    PARTIAL = "partial"


@dataclass(frozen=True, slots=True)
class Decode:
    """Write this segment down, then say so by `id` to `understood` or `failed`."""

    id: int
    purpose: Purpose
    turn: int
    segment: Segment


@dataclass(frozen=True, slots=True)
class Abandon:
    """The result of this decode is not wanted any more."""

    id: int


@dataclass(frozen=True, slots=True)
class Publish:
    """Say this of the call."""

    body: Message


Action: TypeAlias = Decode | Abandon | Publish


@dataclass(frozen=True, slots=True)
class Understood:
    """What an engine made of a segment, and the time that took."""

    transcript: Transcript
    engine: str
    decode_ms: float
