"""What every engine promises: one suite, run against each of them."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.unit.tts_service.engines.conftest import Stand, chunks_of
from tts_service.engines import ENGINES
from tts_service.errors import UnknownVoice
from tts_service.ports import Phrase

_SENTENCE = "We are open on Monday, can you come then?"


async def speak(stand: Stand, text: str, speed: float = 1.0) -> NDArray[np.float32]:
    chunks = [np.zeros(0, np.float32)]
    async for pcm in chunks_of(stand.engine, Phrase(text, stand.voice, speed)):
        assert pcm.rate_hz == stand.rate_hz
        assert pcm.samples.dtype == np.float32
        chunks.append(pcm.samples)
    return np.concatenate(chunks)


async def test_it_speaks_audibly_and_for_a_plausible_time(stand: Stand) -> None:
    samples = await speak(stand, _SENTENCE)
    seconds = len(samples) / stand.rate_hz
    assert abs(samples).max() <= 1.0
    loud = samples[abs(samples) > 0.02]
    assert 0.05 < np.sqrt(np.square(loud).mean()) < 0.3
    if stand.voice != "tone":
        assert len(_SENTENCE) / 25 < seconds < len(_SENTENCE) / 8


async def test_speed_shortens_what_it_says(stand: Stand) -> None:
    slow, fast = await speak(stand, "Good morning.", 0.8), await speak(stand, "Good morning.", 1.6)
    assert 0.35 < len(fast) / len(slow) < 0.75


@pytest.mark.parametrize("text", ["", "   ", "...", "?!", "😀", "你", "a" * 20, "[[x]]", "x\ty"])
async def test_odd_texts_do_no_harm(stand: Stand, text: str) -> None:
    samples = await speak(stand, text)
    assert np.isfinite(samples).all()
    assert len(samples) < 15 * stand.rate_hz


async def test_a_long_text_is_spoken_to_its_end(stand: Stand) -> None:
    samples = await speak(stand, "On and on it goes. " * (stand.longest // 19))
    if stand.voice != "tone":
        assert len(samples) / stand.rate_hz > stand.longest / 25


async def test_it_works_only_while_it_is_asked_to(stand: Stand) -> None:
    given = stand.executor.given
    utterance = stand.engine.begin(Phrase("Good morning.", stand.voice))
    assert stand.executor.given == given
    await stand.engine.advance([utterance])
    given = stand.executor.given
    await asyncio.sleep(0)
    assert stand.executor.given == given


async def test_phrases_of_one_run_sound_as_if_made_alone(stand: Stand) -> None:
    texts = (
        _SENTENCE,
        "You can call us on Friday, from two until six.",
        "My name is Joe, how can I help you?",
    )
    alone = [len(await speak(stand, text)) for text in texts]
    utterances = [stand.engine.begin(Phrase(text, stand.voice)) for text in texts]
    chunks: dict[int, list[NDArray[np.float32]]] = {at: [] for at in range(len(texts))}
    shared = 0
    while left := [utterance for utterance in utterances if utterance.run is not None]:
        batch = [utterance for utterance in left if utterance.run == left[0].run]
        shared += len(batch) > 1
        for utterance, pcm in zip(batch, await stand.engine.advance(batch), strict=True):
            if pcm is not None:
                chunks[utterances.index(utterance)].append(pcm.samples)
    assert shared
    for at, length in enumerate(alone):
        together = np.concatenate(chunks[at])
        assert 0.7 < len(together) / length < 1.4, "the rhythm varies each time"
        assert 0.05 < np.sqrt(np.square(together[abs(together) > 0.02]).mean()) < 0.3


async def test_who_leaves_a_run_is_not_missed(stand: Stand) -> None:
    texts = (_SENTENCE, "You can call us on Friday, from two until six.")
    stays, leaves = (stand.engine.begin(Phrase(text, stand.voice)) for text in texts)
    assert stays.run == leaves.run
    made = [pcm for pcm in await stand.engine.advance([stays, leaves]) if pcm is not None]
    assert len(made) == 2
    seconds = len(made[0].samples) / stand.rate_hz
    while stays.run is not None:
        (pcm,) = await stand.engine.advance([stays])
        seconds += len(pcm.samples) / stand.rate_hz if pcm is not None else 0.0
    assert seconds > 0.9


async def test_two_calls_are_served_at_once(stand: Stand) -> None:
    both = await asyncio.gather(speak(stand, "Good morning."), speak(stand, "Good evening."))
    assert all(len(samples) > 0.3 * stand.rate_hz for samples in both)


def test_an_unknown_voice_is_refused_with_those_there_are(stand: Stand) -> None:
    names = [voice.name for voice in stand.engine.voices()]
    with pytest.raises(UnknownVoice) as refused:
        stand.engine.begin(Phrase("Hello.", "nobody"))
    assert "'nobody'" in str(refused.value)
    assert all(name in refused.value.mend for name in names)


def test_voices_are_named_once_and_the_default_comes_first(stand: Stand) -> None:
    names = [voice.name for voice in stand.engine.voices()]
    assert len(set(names)) == len(names)
    assert names[0] == stand.voice


def test_every_engine_of_the_table_is_tested_here() -> None:
    assert set(ENGINES) == {"synthetic", "piper", "kokoro"}
