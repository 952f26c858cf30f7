"""A tone instead of a voice: for load tests, where speech would measure the model and not the platform."""

from __future__ import annotations

import zlib
from collections.abc import AsyncGenerator
from typing import Final

import numpy as np

from runtime.clock import Clock
from tts_service.errors import UnknownVoice
from tts_service.ports import Pcm, Phrase, VoiceInfo

VOICE: Final = "tone"
_RATE_HZ: Final = 8_000
_CHUNK_MS: Final = 200
_LOUDNESS: Final = 0.1


class SyntheticEngine:
    """So much audio a phrase, after such a delay; the pitch follows from the text."""

    def __init__(self, clock: Clock, audio_ms: int, delay_ms: int) -> None:
        self._clock = clock
        self._audio_ms = audio_ms
        self._delay_ms = delay_ms

    @property
    def incremental(self) -> bool:
        """True: it comes in chunks of 200 ms."""
        return True

    def voices(self) -> tuple[VoiceInfo, ...]:
        """The one tone."""
        return (VoiceInfo(VOICE, "en-US"),)

    def synthesize(self, phrase: Phrase) -> AsyncGenerator[Pcm, None]:
        """A sine of 300 to 1,000 Hz; `speed` shortens it, as it does speech."""
        if phrase.voice != VOICE:
            raise UnknownVoice(f"there is no synthetic voice {phrase.voice!r}", mend=f"use {VOICE}")
        return self._tone(phrase)

    async def _tone(self, phrase: Phrase) -> AsyncGenerator[Pcm, None]:
        if self._delay_ms:
            await self._clock.sleep(self._delay_ms / 1000)
        pitch_hz = 300 + zlib.crc32(phrase.text.encode()) % 701
        length = round(self._audio_ms / phrase.speed * _RATE_HZ / 1000)
        for start in range(0, length, _CHUNK_MS * _RATE_HZ // 1000):
            at = np.arange(start, min(length, start + _CHUNK_MS * _RATE_HZ // 1000))
            tone = np.sqrt(2) * _LOUDNESS * np.sin(2 * np.pi * pitch_hz * at / _RATE_HZ)
            yield Pcm(tone.astype(np.float32), _RATE_HZ)
