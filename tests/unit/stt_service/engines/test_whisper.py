from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bench.words import count_errors, normalize
from models.errors import ModelMissing
from models.store import ModelStore
from stt_service.engines.whisper import WhisperTranscriber, load
from stt_service.errors import EngineMissing, EngineRejected
from stt_service.ports import RATE_HZ, Segment, Transcript
from stt_service.settings import Settings
from tests.unit.stt_service.speech import clips, open_line, silence

NINE = [
    f"{voice}/{number:02}.wav"
    for voice, first in (("af_heart", 1), ("am_michael", 7), ("bf_emma", 13))
    for number in range(first, first + 3)
]


def settings(**values: object) -> Settings:
    return Settings.model_validate({"stt_whisper_device": "cpu", **values})


@pytest.fixture(scope="module")
def base(model_store: ModelStore) -> WhisperTranscriber:
    return load(settings(), model_store)


@pytest.fixture(scope="module")
def tiny(model_store: ModelStore) -> WhisperTranscriber:
    return load(settings(stt_whisper_model="whisper-tiny.en", stt_whisper_words=True), model_store)


async def heard(engine: WhisperTranscriber, *sounds: np.ndarray, language: str = "en-US") -> list[Transcript]:
    return await engine.transcribe([Segment(sound, language) for sound in sounds])


async def test_telephone_speech_is_understood(base: WhisperTranscriber) -> None:
    spoken = clips(*NINE)
    assert len(spoken) == 9
    found = [(await heard(base, clip.samples))[0].text for clip in spoken]
    assert count_errors([clip.text for clip in spoken], found).rate <= 0.05


async def test_nothing_is_said_twice_however_short_the_window(base: WhisperTranscriber) -> None:
    for clip in clips("af_heart/13.wav", "am_michael/13.wav", "bf_emma/13.wav"):
        for shorter in (0, 80):
            (transcript,) = await heard(base, clip.samples[: len(clip.samples) - shorter * 8])
            assert len(transcript.text.split()) <= len(clip.text.split()) + 1


async def test_where_nobody_speaks_nothing_is_said(base: WhisperTranscriber) -> None:
    click = silence(800)
    click[3_000:3_040] = 0.5
    burst = silence(800)
    burst[2_400:3_600] += silence(150, 0.2) * np.hanning(1_200).astype(np.float32)
    tone = 0.2 * np.sin(2 * np.pi * 440 * np.arange(RATE_HZ) / RATE_HZ).astype(np.float32)
    sounds = [np.zeros(4_800, np.float32), open_line(), click, burst, tone]
    sounds += [silence(ms, level) for ms in (400, 1_000) for level in (1e-4, 1e-3, 2e-2)]
    for sound in sounds:
        assert (await heard(base, sound))[0].text == ""


async def test_who_says_the_same_again_is_believed(base: WhisperTranscriber) -> None:
    both = np.concatenate([clip.samples for clip in clips("af_heart/02.wav", "af_heart/03.wav")])
    (transcript,) = await heard(base, np.tile(both, 3))
    assert [transcript.text.count(word) for word in ("whitening", "park")] == [3, 3]


async def test_a_long_segment_is_understood_to_its_end(base: WhisperTranscriber) -> None:
    spoken = clips("am_michael/02.wav", "am_michael/05.wav", "am_michael/08.wav", "am_michael/12.wav")
    (transcript,) = await heard(base, np.concatenate([clip.samples for clip in spoken]))
    assert count_errors([" ".join(clip.text for clip in spoken)], [transcript.text]).rate <= 0.1


@pytest.mark.parametrize("ms", [400, 500])
async def test_a_single_short_word_is_understood(base: WhisperTranscriber, ms: int) -> None:
    (clip,) = clips("af_heart/09.wav")  # "No, I don't want to cancel ..."
    word = np.concatenate((silence(200), clip.samples[: ms * 8], silence(130)))
    assert normalize((await heard(base, word))[0].text) == "no"


async def test_words_have_times_within_their_segment(tiny: WhisperTranscriber) -> None:
    (clip,) = clips("am_michael/02.wav")
    late = np.concatenate((silence(1_000), clip.samples))
    (transcript,) = await heard(tiny, late)
    words = transcript.words
    assert " ".join(word.text for word in words) == transcript.text
    assert 1_000 <= words[1].start_ms <= 1_600  # the first word begins with the segment, as Whisper has it
    assert abs(words[-1].end_ms - (1_000 + clip.ends / 8)) <= 400


async def test_a_batch_may_be_in_several_languages(base: WhisperTranscriber) -> None:
    (clip,) = clips("af_heart/02.wav")
    segments = [Segment(clip.samples, language) for language in ("en-US", "de-DE", "en-GB")]
    transcripts = await base.transcribe(segments)
    assert [one.language for one in transcripts] == ["en", "de", "en"]
    assert transcripts[0].text == transcripts[2].text


async def test_a_batch_of_different_calls_has_the_words_of_each_alone(base: WhisperTranscriber) -> None:
    spoken = [clip.samples for clip in clips(*NINE[:6])]
    alone = [(await heard(base, samples))[0].text for samples in spoken]
    together = [transcript.text for transcript in await heard(base, *spoken)]
    assert [normalize(text) for text in together] == [normalize(text) for text in alone]


async def test_a_language_that_it_does_not_know_is_refused(
    base: WhisperTranscriber, tiny: WhisperTranscriber
) -> None:
    with pytest.raises(EngineRejected, match="'xx'"):
        await heard(base, silence(500), language="xx")
    with pytest.raises(EngineRejected, match=r"English only.*'de'.*TRUNKLINE_STT_WHISPER_MODEL"):
        await heard(tiny, silence(500), language="de-DE")


def test_a_folder_without_a_model_names_the_setting(tmp_path: Path, model_store: ModelStore) -> None:
    with pytest.raises(EngineMissing, match="TRUNKLINE_STT_WHISPER_MODEL"):
        load(settings(stt_whisper_model=str(tmp_path)), model_store)


def test_a_model_without_its_tokenizer_names_the_file(tmp_path: Path, model_store: ModelStore) -> None:
    for file in model_store.path("whisper-tiny.en").iterdir():
        if file.name != "tokenizer.json":
            (tmp_path / file.name).symlink_to(file)
    with pytest.raises(EngineMissing, match=r"tokenizer\.json"):
        load(settings(stt_whisper_model=str(tmp_path)), model_store)


def test_an_unknown_model_names_the_known_ones(model_store: ModelStore) -> None:
    with pytest.raises(ModelMissing, match="whisper-base"):
        load(settings(stt_whisper_model="whisper-huge"), model_store)


def test_an_unknown_compute_type_is_named(model_store: ModelStore) -> None:
    with pytest.raises(EngineMissing, match="int3"):
        load(settings(stt_whisper_model="whisper-tiny.en", stt_whisper_compute="int3"), model_store)
