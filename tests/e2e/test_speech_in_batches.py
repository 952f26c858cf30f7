"""Sentences of several calls, made by a real Piper voice in the same runs: each call hears its own words."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from audio.g711 import decode_mulaw_float
from bench.words import count_errors
from contracts.messages import Outcome, SentenceSynthesized
from models.store import ModelStore
from stt_service.engines.whisper import load
from stt_service.ports import Segment
from stt_service.settings import Settings as SttSettings
from tests.unit.tts_service.scripted import factory
from tests.unit.tts_service.world import assistant, world
from tts_service.engines.piper import PiperEngine, PiperUtterance
from tts_service.ports import Pcm, Phrase, VoiceInfo

TEXTS = (
    "We are open on Monday from nine until six.",
    "A cleaning costs ninety five dollars in all.",
    "You can call us on Friday after two o'clock.",
    "Please bring your insurance card with you.",
    "The office is on the second floor of the bank.",
)


class Gathered:
    """A Piper that does nothing before so many phrases were asked for, and counts what is made together."""

    def __init__(self, piper: PiperEngine, phrases: int) -> None:
        self.together: list[int] = []
        self._piper = piper
        self._missing = phrases
        self._all_here = asyncio.Event()

    def voices(self) -> tuple[VoiceInfo, ...]:
        return self._piper.voices()

    def begin(self, phrase: Phrase) -> PiperUtterance:
        self._missing -= 1
        if not self._missing:
            self._all_here.set()
        return self._piper.begin(phrase)

    async def advance(self, utterances: Sequence[PiperUtterance]) -> list[Pcm | None]:
        await self._all_here.wait()
        self.together.append(len(utterances))
        return await self._piper.advance(utterances)


@pytest.fixture
def piper(tmp_path: Path) -> Iterator[PiperEngine]:
    with ThreadPoolExecutor(1) as thread:
        yield PiperEngine.load([ModelStore(tmp_path).path("piper-joe")], 1, thread, together=8)


@pytest.mark.e2e
@pytest.mark.timeout(240)
async def test_each_call_is_told_its_own_words(nats_url: str, tmp_path: Path, piper: PiperEngine) -> None:
    engine = Gathered(piper, len(TEXTS))
    settings: dict[str, Any] = {"tts_engine_slots": 1, "tts_warm_phrases": 0, "tts_wait_budget_s": 60.0}
    async with world(nats_url, tmp_path, {"gathered": factory(engine)}, **settings) as now:
        refs = [await now.call(assistant("gathered")) for _ in TEXTS]
        for ref, text in zip(refs, TEXTS, strict=True):
            await now.say(ref, 1, text)
        sounds = []
        for ref in refs:
            (report,) = await now.until_said(ref, SentenceSynthesized)
            assert report.outcome is Outcome.DONE
            frames = await now.until_reply_ends(ref, 1)
            sounds.append(decode_mulaw_float(b"".join(frame.payload for frame in frames)))
    assert engine.together[:2] == [1, len(TEXTS) - 1]
    ears = load(SttSettings(), ModelStore(tmp_path))
    heard = [(await ears.transcribe([Segment(sound, "en")]))[0].text for sound in sounds]
    await ears.close()
    errors = count_errors(TEXTS, heard)
    assert errors.rate <= 0.2, heard
