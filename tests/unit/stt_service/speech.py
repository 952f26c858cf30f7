"""Real speech on a telephone line, from the bench's corpus, and sounds that are none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

import numpy as np

from audio.wav import read_wav
from stt_service.ports import RATE_HZ, Samples

_SPEECH = Path("bench/speech")
_EXAMPLES = Path("examples/audio")


class Clip(NamedTuple):
    """What is said and how it sounds; `ends` is the sample after the last of speech."""

    text: str
    samples: Samples
    ends: int


def clips(*files: str) -> list[Clip]:
    """Clips of the corpus by name, or all of them."""
    listed = json.loads((_SPEECH / "manifest.json").read_text(encoding="utf-8"))["clips"]
    chosen = [clip for clip in listed if not files or clip["file"] in files]
    assert chosen, files
    return [
        Clip(clip["text"], read_wav(_SPEECH / clip["file"]).samples, round(clip["speech_end_s"] * RATE_HZ))
        for clip in chosen
    ]


def open_line() -> Samples:
    """An open line on which nobody speaks."""
    return read_wav(_EXAMPLES / "noise.wav").samples


def silence(ms: int, level: float = 1e-3) -> Samples:
    """The hiss of a line, the same every time."""
    hiss = np.random.default_rng(ms).standard_normal(ms * RATE_HZ // 1000)
    return (hiss * level).astype(np.float32)


def voice(ms: int, level: float = 0.1) -> Samples:
    """What the energy detector takes for a voice."""
    return silence(ms, level)
