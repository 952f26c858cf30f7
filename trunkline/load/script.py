"""What a synthetic caller says: utterances with pauses after them, over and over, on a schedule of its own.

The schedule does not wait for answers, so that a slow platform is offered the same load as a fast one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from audio.g711 import encode_mulaw
from trunkline.errors import BadOption
from trunkline.utterance import LINE_RATE_HZ, Utterance, load_utterance, of_mulaw

FIXED_PATTERN: Final = "noise:2.0,silence:4.0"
"""The workload that benches are compared on."""

DECIDES_AFTER_S: Final = 0.3
"""The least quiet after which a platform can know that a turn is over."""

_LOUDNESS: Final = 8_000
_SEED: Final = 7
_LONGEST_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Part:
    """One utterance and the silence after it."""

    utterance: Utterance
    pause_s: float

    @property
    def lasts_s(self) -> float:
        """Both together."""
        return self.utterance.duration_s + self.pause_s


@dataclass(frozen=True, slots=True)
class Script:
    """Parts, repeated for as long as a call lasts."""

    name: str
    parts: tuple[Part, ...]

    @property
    def period_s(self) -> float:
        """How long it takes once."""
        return sum(part.lasts_s for part in self.parts)

    def schedule(self, talk_s: float) -> Iterator[tuple[float, Utterance]]:
        """When each utterance begins, in seconds; only those that can still be answered within `talk_s`."""
        at_s = 0.0
        while True:
            for part in self.parts:
                if at_s + part.utterance.duration_s + DECIDES_AFTER_S > talk_s + 1e-9:
                    return
                yield at_s, part.utterance
                at_s += part.lasts_s


def noise(seconds: float) -> Utterance:
    """White noise at -17 dBFS, the same every time."""
    samples = np.random.default_rng(_SEED).integers(-_LOUDNESS, _LOUDNESS, round(seconds * LINE_RATE_HZ))
    return of_mulaw("noise", encode_mulaw(samples.astype(np.int16)))


def parse_pattern(text: str) -> Script:
    """A script from `noise:2.0,silence:4.0`: seconds of noise and silence in turn; raises BadOption."""
    steps = [_step(text, step) for step in text.split(",")]
    if len(steps) % 2 or any(kind != ("noise", "silence")[i % 2] for i, (kind, _) in enumerate(steps)):
        raise _bad_pattern(text, "noise and silence must take turns, noise first")
    pairs = zip(steps[::2], steps[1::2], strict=True)
    return Script(text, tuple(Part(noise(loud_s), quiet_s) for (_, loud_s), (_, quiet_s) in pairs))


def script_of_files(files: Sequence[Path], pause_s: float) -> Script:
    """A script that says WAV files one after the other; raises WavError or BadOption."""
    parts = tuple(Part(load_utterance(path), pause_s) for path in files)
    silent = [str(path) for path, part in zip(files, parts, strict=True) if not part.utterance.speech_end]
    if silent:
        raise BadOption(f"{silent[0]} holds nothing audible", mend="give a file with speech in it")
    return Script(", ".join(path.name for path in files), parts)


def _step(text: str, step: str) -> tuple[str, float]:
    kind, _, seconds = step.strip().partition(":")
    try:
        value = float(seconds)
    except ValueError:
        raise _bad_pattern(text, f"{step!r} has no number of seconds") from None
    if not 0.1 <= value <= _LONGEST_S:
        raise _bad_pattern(text, f"{step!r} is not between 0.1 and {_LONGEST_S:g} s")
    return kind, value


def _bad_pattern(text: str, why: str) -> BadOption:
    return BadOption(f"the pattern {text!r} cannot be said: {why}", mend=f"write it like {FIXED_PATTERN}")
