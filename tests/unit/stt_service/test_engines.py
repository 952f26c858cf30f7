"""The port suites: what every Transcriber and every VoiceDetector promises, on the real ones."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import pytest

from bench.words import normalize
from models.store import ModelStore
from runtime.clock import SystemClock
from stt_service.engines import DETECTORS, ENGINES, Ground, detector_for
from stt_service.ports import RATE_HZ, Segment, Transcriber, VoiceDetector
from stt_service.settings import Settings
from tests.unit.stt_service.speech import clips, open_line, silence, voice

VARIANTS: dict[str, dict[str, object]] = {
    "whisper": {},
    "whisper tiny.en with words": {"stt_whisper_model": "whisper-tiny.en", "stt_whisper_words": True},
    "synthetic": {"stt_synthetic_delay_ms": 30},
}


def ground_for(home: Path, models: ModelStore, **settings: object) -> Ground:
    return Ground(Settings.model_validate({"home": home, **settings}), models, SystemClock())


@pytest.fixture(scope="class")
def engine(variant: str, home: Path, model_store: ModelStore) -> Transcriber:
    return ENGINES[variant.split(maxsplit=1)[0]](ground_for(home, model_store, **VARIANTS[variant]))


@pytest.fixture(scope="class")
def calls() -> list[Segment]:
    spoken = clips("af_heart/02.wav", "am_michael/11.wav", "bf_emma/05.wav")
    return [Segment(clip.samples, "en-US") for clip in spoken]


@pytest.fixture(scope="class")
def detector(name: str, home: Path, model_store: ModelStore) -> VoiceDetector:
    return DETECTORS[name](ground_for(home, model_store))


@pytest.fixture(scope="class")
def lines(detector: VoiceDetector) -> list[np.ndarray]:
    """Windows [N, W] of three calls of the same length."""
    sounds = [clips("am_michael/02.wav")[0].samples, clips("bf_emma/03.wav")[0].samples, open_line()]
    count = min(map(len, sounds)) // detector.window_samples
    size = detector.window_samples
    return [sound[: count * size].reshape(count, size) for sound in sounds]


def test_every_listed_engine_is_under_test() -> None:
    assert {name.split()[0] for name in VARIANTS} == set(ENGINES)


@pytest.mark.parametrize("variant", VARIANTS, scope="class")
class TestEveryTranscriber:
    """One batch may hold segments of different calls."""

    async def test_each_segment_has_its_own_transcript_in_order(
        self, engine: Transcriber, calls: list[Segment]
    ) -> None:
        alone = [(await engine.transcribe([segment]))[0] for segment in calls]
        together = await engine.transcribe(calls)
        assert [normalize(one.text) for one in together] == [normalize(one.text) for one in alone]

    async def test_concurrent_batches_are_all_answered(
        self, engine: Transcriber, calls: list[Segment]
    ) -> None:
        first, second, third = await asyncio.gather(*(engine.transcribe([one]) for one in calls))
        assert [len(first), len(second), len(third)] == [1, 1, 1]
        assert all(batch[0].text for batch in (first, second, third))

    async def test_a_transcript_is_in_the_language_asked_for_and_sure_of_itself_within_bounds(
        self, engine: Transcriber, calls: list[Segment]
    ) -> None:
        for transcript in await engine.transcribe(calls):
            assert transcript.language == "en"
            assert 0 < transcript.confidence <= 1
            assert transcript.text == transcript.text.strip()

    async def test_words_come_in_the_order_of_their_text_and_time(
        self, engine: Transcriber, calls: list[Segment]
    ) -> None:
        for transcript, segment in zip(await engine.transcribe(calls), calls, strict=True):
            words = transcript.words
            assert not words or " ".join(word.text for word in words) == transcript.text
            edges = [edge for word in words for edge in (word.start_ms, word.end_ms)]
            assert edges == sorted(edges)
            assert all(edge <= segment.duration_s * 1000 + 100 for edge in edges)
            assert all(0 <= word.probability <= 1 for word in words)

    @pytest.mark.parametrize("samples", [0, 1, 80, 799])
    async def test_a_segment_of_next_to_nothing_is_answered(self, engine: Transcriber, samples: int) -> None:
        (transcript,) = await engine.transcribe([Segment(np.zeros(samples, np.float32), "en-US")])
        assert 0 <= transcript.confidence <= 1

    async def test_a_segment_of_28_s_is_answered(self, engine: Transcriber) -> None:
        long = np.concatenate([clip.samples for clip in clips()[:12]])[: 28 * RATE_HZ]
        assert len(long) == 28 * RATE_HZ
        (transcript,) = await engine.transcribe([Segment(long, "en-US")])
        assert transcript.text

    async def test_the_loop_turns_while_the_engine_works(
        self, engine: Transcriber, calls: list[Segment]
    ) -> None:
        working = asyncio.ensure_future(engine.transcribe(calls))
        turns = 0
        while not working.done():
            await asyncio.sleep(0)
            turns += 1
        assert turns > 100


@pytest.mark.parametrize("variant", VARIANTS)
async def test_what_was_begun_is_finished_before_an_engine_closes(
    variant: str, home: Path, model_store: ModelStore
) -> None:
    engine = ENGINES[variant.split(maxsplit=1)[0]](ground_for(home, model_store, **VARIANTS[variant]))
    (clip,) = clips("af_heart/02.wav")
    begun = asyncio.ensure_future(engine.transcribe([Segment(clip.samples, "en-US")]))
    await asyncio.sleep(0)
    await engine.close()
    assert (await begun)[0].text


@pytest.mark.parametrize("name", DETECTORS, scope="class")
class TestEveryDetector:
    def test_a_batch_is_judged_as_each_call_alone(
        self, detector: VoiceDetector, lines: list[np.ndarray]
    ) -> None:
        together = judge(detector, lines)
        for row, line in enumerate(lines):
            np.testing.assert_allclose(together[row], judge(detector, [line])[0], atol=1e-4)

    def test_verdicts_are_probabilities_and_know_speech_from_an_open_line(
        self, detector: VoiceDetector, lines: list[np.ndarray]
    ) -> None:
        verdicts = judge(detector, lines)
        assert ((verdicts >= 0) & (verdicts <= 1)).all()
        voiced = (verdicts >= 0.5).mean(axis=1)
        assert voiced[0] > 0.5
        assert voiced[1] > 0.5
        assert voiced[2] == 0

    def test_a_detector_keeps_nothing_of_a_call(
        self, detector: VoiceDetector, lines: list[np.ndarray]
    ) -> None:
        first = judge(detector, lines[:1])
        judge(detector, lines[1:])
        np.testing.assert_array_equal(judge(detector, lines[:1]), first)


def judge(detector: VoiceDetector, lines: list[np.ndarray]) -> np.ndarray:
    """Verdicts [B, N] on the windows of B calls, all calls in one run."""
    states = np.stack([detector.initial_state() for _ in lines])
    verdicts = []
    for windows in zip(*lines, strict=True):
        probabilities, states = detector.detect(np.stack(windows), states)
        assert probabilities.shape == (len(lines),)
        verdicts.append(probabilities)
    return np.stack(verdicts, axis=1)


def test_load_tests_use_no_model_that_they_do_not_measure() -> None:
    assert detector_for("synthetic") == "energy"
    assert detector_for("synthetic", "silero") == "silero"
    assert {detector_for(name) for name in ENGINES if name != "synthetic"} == {"silero"}


def test_the_sounds_of_these_tests_are_what_the_energy_detector_takes_them_for() -> None:
    detector = DETECTORS["energy"](ground_for(Path(), ModelStore(Path())))
    states = np.empty((2, 0), np.float32)
    verdicts, _ = detector.detect(np.stack((voice(32), silence(32))), states)
    assert verdicts.tolist() == [1.0, 0.0]
