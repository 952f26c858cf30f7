from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from audio.errors import WavError
from audio.g711 import encode_mulaw
from audio.wav import write_wav
from trunkline.errors import BadOption
from trunkline.utterance import LINE_RATE_HZ, load_utterance, of_mulaw

EXAMPLES = Path("examples/audio")
CLIPS = [
    clip for clip in json.loads((EXAMPLES / "manifest.json").read_text())["clips"] if clip["speech_end_s"]
]


@pytest.mark.parametrize("clip", CLIPS, ids=lambda clip: clip["file"])
def test_speech_ends_where_the_manifest_says(clip: dict[str, object]) -> None:
    utterance = load_utterance(EXAMPLES / str(clip["file"]))
    assert utterance.duration_s == pytest.approx(clip["duration_s"], abs=0.011)
    assert utterance.speech_end / LINE_RATE_HZ == pytest.approx(clip["speech_end_s"], abs=0.031)
    assert 0 < utterance.speech_start < utterance.speech_end


@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 24_000, 48_000])
def test_any_rate_comes_out_as_telephone_audio(tmp_path: Path, rate_hz: int) -> None:
    tone = (np.sin(np.arange(rate_hz) * 2 * np.pi * 440 / rate_hz) * 12_000).astype(np.int16)
    write_wav(tmp_path / "tone.wav", tone, rate_hz)
    utterance = load_utterance(tmp_path / "tone.wav")
    assert utterance.name == "tone"
    assert len(utterance.mulaw) == LINE_RATE_HZ


def test_silence_has_no_speech_in_it() -> None:
    utterance = of_mulaw("silence", encode_mulaw(np.zeros(8_000, np.int16)))
    assert (utterance.speech_start, utterance.speech_end) == (0, 0)


def test_less_than_a_window_has_no_speech_in_it() -> None:
    assert of_mulaw("click", b"\x00" * 10).speech_end == 0


def test_a_file_that_is_no_wav_is_named(tmp_path: Path) -> None:
    (tmp_path / "song.wav").write_bytes(b"ID3 not a wav at all")
    with pytest.raises(WavError, match=r"song.wav is not a WAV file"):
        load_utterance(tmp_path / "song.wav")


def test_a_rate_that_is_not_carried_names_the_file(tmp_path: Path) -> None:
    write_wav(tmp_path / "odd.wav", np.ones(1_000, np.int16), 11_025)
    with pytest.raises(BadOption, match=r"odd.wav: audio at 11025 Hz"):
        load_utterance(tmp_path / "odd.wav")
