import itertools
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audio.errors import RateError
from audio.resample import RATES_HZ, Resampler, resample

PAIRS = list(itertools.permutations(sorted(RATES_HZ), 2))


def tones(rate_hz: int, *frequencies_hz: float, seconds: float = 0.5) -> np.ndarray:
    at = np.arange(int(rate_hz * seconds)) / rate_hz
    return (
        0.3 * sum((np.sin(2 * np.pi * hz * at) for hz in frequencies_hz), start=np.zeros_like(at))
    ).astype(np.float32)


def streamed(pcm: np.ndarray, from_hz: int, to_hz: int, cuts: Sequence[int] = ()) -> np.ndarray:
    resampler = Resampler(from_hz, to_hz, pcm.dtype.type)
    return np.concatenate([*(resampler.process(chunk) for chunk in np.split(pcm, cuts)), resampler.flush()])


def level_db(pcm: np.ndarray) -> float:
    return float(20 * np.log10(np.sqrt(np.mean(pcm.astype(np.float64) ** 2)) + 1e-12))


@pytest.mark.parametrize(("from_hz", "to_hz"), PAIRS)
def test_a_stream_is_what_soxr_makes_of_the_whole_clip(from_hz: int, to_hz: int) -> None:
    pcm = tones(from_hz, 300, 2900)
    ours, reference = streamed(pcm, from_hz, to_hz), resample(pcm, from_hz, to_hz)
    assert len(ours) == -(-len(pcm) * to_hz // from_hz)
    assert abs(len(ours) - len(reference)) <= 1
    middle = slice(to_hz // 20, -to_hz // 20)
    reference = reference[: len(ours)]
    assert level_db(ours[: len(reference)][middle] - reference[middle]) < level_db(reference) - 60


@pytest.mark.parametrize("from_hz", [16_000, 22_050, 24_000, 48_000])
def test_what_the_lower_rate_cannot_carry_is_gone(from_hz: int) -> None:
    assert (
        level_db(streamed(tones(from_hz, 4600), from_hz, 8000)[400:-400])
        < level_db(tones(from_hz, 4600)) - 60
    )


@settings(max_examples=25, deadline=None)
@given(pair=st.sampled_from(PAIRS), cuts=st.lists(st.integers(0, 2000), max_size=20))
def test_how_the_stream_was_cut_does_not_matter(pair: tuple[int, int], cuts: Sequence[int]) -> None:
    pcm = np.random.default_rng(1).standard_normal(2000).astype(np.float32)
    whole, pieces = streamed(pcm, *pair), streamed(pcm, *pair, cuts=sorted(cuts))
    np.testing.assert_allclose(pieces, whole, atol=1e-6)


@pytest.mark.parametrize(("from_hz", "to_hz"), PAIRS)
def test_a_stream_is_never_further_behind_than_its_delay(from_hz: int, to_hz: int) -> None:
    resampler = Resampler(from_hz, to_hz)
    assert resampler.delay_ms < 2.1
    said = 0
    for heard, chunk in enumerate(np.split(tones(from_hz, 500), 25), start=1):
        said += len(resampler.process(chunk))
        behind_ms = 1000 * (heard * len(chunk) / from_hz - said / to_hz)
        assert behind_ms <= resampler.delay_ms + 1e-9


def test_integers_stay_integers_and_clip() -> None:
    loud = np.where(np.arange(1600) // 40 % 2, 32767, -32768).astype(np.int16)
    for result in (streamed(loud, 8000, 16000), resample(loud, 8000, 16000)):
        assert result.dtype == np.int16
        assert np.array_equal(result[40::80] > 0, loud[20::40] > 0)


def test_the_same_rate_passes_through() -> None:
    pcm = tones(8000, 440)
    assert resample(pcm, 8000, 8000) is pcm
    assert np.array_equal(streamed(pcm, 8000, 8000, cuts=[100]), pcm)


def test_it_starts_anew_after_a_flush_and_nothing_gives_nothing() -> None:
    resampler = Resampler(22_050, 8000)
    assert len(resampler.flush()) == 0
    pcm = tones(22_050, 440)
    first = np.concatenate([resampler.process(pcm), resampler.flush()])
    assert np.array_equal(first, np.concatenate([resampler.process(pcm), resampler.flush()]))
    assert len(resample(pcm[:0], 22_050, 8000)) == 0


@pytest.mark.parametrize("rates", [(8000, 11_025), (0, 8000)])
def test_a_rate_that_is_not_carried_is_named(rates: tuple[int, int]) -> None:
    for make in (lambda: Resampler(*rates), lambda: resample(np.zeros(4, np.float32), *rates)):
        with pytest.raises(RateError, match=r"(11025|at 0) Hz.*8000, 16000"):
            make()


def test_samples_of_another_type_are_refused() -> None:
    with pytest.raises(TypeError, match="int16 samples given to a resampler of float32"):
        Resampler(8000, 16_000).process(np.zeros(4, np.int16))
