"""A tone instead of a voice: for load tests, where speech would measure the model and not the platform."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from runtime.clock import Clock
from tts_service.errors import UnknownVoice
from tts_service.ports import Pcm, Phrase, Run, VoiceInfo

VOICE: Final = "tone"
_RATE_HZ: Final = 8_000
_CHUNK_MS: Final = 200
_LOUDNESS: Final = 0.1


class SyntheticEngine:
    """So much audio a phrase, after such a delay; the pitch follows from the text.

    Up to `together` phrases begin with one delay, as with an engine that gains by a batch.
    """

    def __init__(self, clock: Clock, audio_ms: int, delay_ms: int, together: int = 1) -> None:
        self._clock = clock
        self._audio_ms = audio_ms
        self._delay_ms = delay_ms
        self._together = together

    def voices(self) -> tuple[VoiceInfo, ...]:
        """The one tone, which comes in chunks of 200 ms."""
        return (VoiceInfo(VOICE, "en-US"),)

    def begin(self, phrase: Phrase) -> Tone:
        """A sine of 300 to 1,000 Hz; `speed` shortens it, as it does speech."""
        if phrase.voice != VOICE:
            raise UnknownVoice(f"there is no synthetic voice {phrase.voice!r}", mend=f"use {VOICE}")
        pitch_hz = 300 + zlib.crc32(phrase.text.encode()) % 701
        return Tone(pitch_hz, round(self._audio_ms / phrase.speed * _RATE_HZ / 1000), self._together)

    async def advance(self, utterances: Sequence[Tone]) -> list[Pcm | None]:
        """The next 200 ms of each."""
        if self._delay_ms and any(tone.made == 0 for tone in utterances):
            await self._clock.sleep(self._delay_ms / 1000)
        return [Pcm(tone.go_on(), _RATE_HZ) for tone in utterances]


class Tone:
    """A phrase as a sine of so many samples."""

    def __init__(self, pitch_hz: int, length: int, together: int) -> None:
        self.made = 0
        self._pitch_hz = pitch_hz
        self._length = length
        self._together = together

    @property
    def run(self) -> Run | None:
        """The beginning, which may be late, then the rest."""
        return Run(self.made == 0, self._together) if self.made < self._length else None

    def go_on(self) -> NDArray[np.float32]:
        """The next samples."""
        at = np.arange(self.made, min(self._length, self.made + _CHUNK_MS * _RATE_HZ // 1000))
        self.made += len(at)
        tone: NDArray[np.float64] = (
            np.sqrt(2) * _LOUDNESS * np.sin(2 * np.pi * self._pitch_hz * at / _RATE_HZ)
        )
        return tone.astype(np.float32)
