from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from audio.wav import write_wav
from trunkline.earpiece import is_loud
from trunkline.errors import BadOption
from trunkline.load.script import FIXED_PATTERN, noise, parse_pattern, script_of_files
from trunkline.utterance import LINE_RATE_HZ


def test_noise_is_loud_from_its_first_frame_to_its_last_and_the_same_every_time() -> None:
    sound = noise(2.0)
    frames = [sound.mulaw[at : at + 160] for at in range(0, len(sound.mulaw), 160)]
    assert len(frames) == 100
    assert all(is_loud(frame) for frame in frames)
    assert (sound.speech_start, sound.speech_end) == (0, 2 * LINE_RATE_HZ)
    assert noise(2.0) == sound


def test_the_fixed_workload_has_seven_turns_in_40_seconds() -> None:
    script = parse_pattern(FIXED_PATTERN)
    assert script.period_s == 6.0
    assert [at for at, _ in script.schedule(40.0)] == [0, 6, 12, 18, 24, 30, 36]


def test_an_utterance_that_cannot_be_answered_in_time_is_not_begun() -> None:
    script = parse_pattern(FIXED_PATTERN)
    assert len(list(script.schedule(8.2))) == 1
    assert len(list(script.schedule(8.3))) == 2
    assert list(script.schedule(2.0)) == []


def test_a_pattern_may_have_several_parts() -> None:
    script = parse_pattern("noise:1,silence:2,noise:0.5,silence:1.5")
    assert [at for at, _ in script.schedule(7.0)] == [0, 3, 5]


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("noise:2", "take turns"),
        ("silence:2,noise:2", "take turns"),
        ("noise:2,music:4", "take turns"),
        ("noise:x,silence:4", "has no number"),
        ("noise:0,silence:4", "not between"),
        ("noise:2,silence:nan", "not between"),
        ("", "has no number"),
    ],
)
def test_a_pattern_that_cannot_be_said_is_refused_with_an_example(pattern: str, why: str) -> None:
    with pytest.raises(BadOption, match=why) as error:
        parse_pattern(pattern)
    assert FIXED_PATTERN in str(error.value)


def test_files_are_said_in_turn_with_a_pause_after_each(tmp_path: Path) -> None:
    tone = (np.sin(np.arange(LINE_RATE_HZ) / 3) * 8_000).astype(np.int16)
    for name in ("a.wav", "b.wav"):
        write_wav(tmp_path / name, tone, LINE_RATE_HZ)
    script = script_of_files([tmp_path / "a.wav", tmp_path / "b.wav"], 2.0)
    assert [(at, said.name) for at, said in script.schedule(7.5)] == [(0, "a"), (3, "b"), (6, "a")]


def test_a_file_without_sound_is_refused(tmp_path: Path) -> None:
    write_wav(tmp_path / "still.wav", np.zeros(8_000, np.int16), LINE_RATE_HZ)
    with pytest.raises(BadOption, match=r"still\.wav holds nothing audible"):
        script_of_files([tmp_path / "still.wav"], 2.0)
