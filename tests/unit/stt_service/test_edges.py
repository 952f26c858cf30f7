from __future__ import annotations

import numpy as np
import pytest

from stt_service.edges import BLOCK, Line, levels, loudness
from stt_service.ports import Samples
from tests.unit.stt_service.speech import clips, silence, voice

MS = 8


def level(window: Samples) -> float:
    return levels(window[None])[0].whole


def loudest(window: Samples) -> float:
    return levels(window[None])[0].loudest


def a_line(noise: float = 1e-3) -> Line:
    line = Line()
    for ms in range(40, 60):
        line.hear_noise(level(silence(ms, noise)))
    return line


def test_the_levels_of_a_window_are_those_of_the_window_alone() -> None:
    sounds = [voice(20, 0.3), silence(20, 1e-3), np.concatenate((silence(10, 1e-3), voice(10, 0.1)))]
    for sound, (whole, loud) in zip(sounds, levels(np.stack(sounds)), strict=True):
        assert whole == pytest.approx(float(np.sqrt(np.square(sound).mean())), rel=1e-4)
        assert loud == pytest.approx(float(loudness(sound).max()), rel=1e-4)


def test_the_end_of_a_sound_is_found_to_a_block_or_two() -> None:
    line = a_line()
    line.hear_voice(loudest(voice(100)))
    sound = np.concatenate((silence(100), voice(200), silence(150)))
    assert abs(line.last_sound(sound) - 300 * MS) <= 2 * BLOCK


def test_the_beginning_of_a_sound_is_found_to_a_block_or_two() -> None:
    line = a_line()
    line.hear_voice(loudest(voice(100)))
    sound = np.concatenate((silence(150), voice(200)))
    assert abs(line.first_sound(sound) - 150 * MS) <= 2 * BLOCK


def test_the_closure_of_a_stop_belongs_to_the_onset_and_an_earlier_sound_does_not() -> None:
    line = a_line()
    line.hear_voice(loudest(voice(100)))
    sound = np.concatenate((voice(30), silence(100), voice(40), silence(20), voice(100)))
    assert abs(line.first_sound(sound) - 130 * MS) <= 2 * BLOCK


def test_without_a_sound_there_is_no_end_of_it_and_the_beginning_is_now() -> None:
    line = a_line()
    line.hear_voice(loudest(voice(100)))
    assert line.last_sound(silence(200)) == 0
    assert line.first_sound(silence(200)) == 200 * MS


def test_what_is_far_below_the_loudest_is_decay_and_not_speech() -> None:
    line = a_line(noise=1e-5)
    line.hear_voice(loudest(voice(100, level=0.3)))
    assert abs(line.last_sound(np.concatenate((voice(100, 0.3), voice(100, 1e-3)))) - 100 * MS) <= 2 * BLOCK
    line.forget_voice()
    line.hear_voice(loudest(voice(100, level=0.02)))  # the next turn is whispered
    whole = np.concatenate((voice(100, 0.02), voice(100, 1e-3)))
    assert line.last_sound(whole) == 200 * MS


def test_the_noise_of_the_line_is_learned_quickly_downwards_and_slowly_upwards() -> None:
    line = a_line(noise=1e-2)
    for ms in range(40, 60):
        line.hear_noise(level(silence(ms, 1e-3)))
    assert line.last_sound(silence(200, 3e-3)) > 0
    line.hear_noise(level(silence(50, 1e-1)))  # a breath
    assert line.last_sound(np.concatenate((voice(100, 2e-2), silence(100)))) > 0


@pytest.mark.parametrize("file", ["af_heart/01.wav", "am_michael/08.wav", "bf_emma/16.wav"])
def test_the_end_of_real_speech_is_found_to_30_ms(file: str) -> None:
    (clip,) = clips(file)
    line = a_line(noise=1e-4)
    line.hear_voice(loudest(clip.samples[: clip.ends]))
    assert abs(line.last_sound(clip.samples) - clip.ends) <= 30 * MS
