"""Real human speech as a telephone delivers it, for measurements that synthetic callers would flatter.

The recordings are the LibriVox sentences (read from "Sense and Sensibility", public domain) that Debian's
package `pocketsphinx-testdata` carries with transcripts: 16 kHz, one reader, five sentences, 25 s in all.
Nothing of them is kept in this repository: install the package where the bench runs.

`telephone_band` does to any recording what a telephone line does before it is coded; `make_speech` uses it.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from audio.codec import to_pcm16
from audio.g711 import encode_mulaw
from audio.wav import read_wav

DEBIAN_PACKAGE = "pocketsphinx-testdata"
DEBIAN_LOCATION = Path("/usr/share/pocketsphinx/test/data/librivox")

LINE_RATE_HZ = 8_000
LOW_HZ, HIGH_HZ = 300.0, 3_400.0
FILTER_S = 0.021  # 155 Hz from pass to stop (Hamming): a 50 Hz hum and everything above 3.5 kHz are gone

_TRANSCRIPT = re.compile(r"<s>\s*(?P<text>.*?)\s*</s>\s*\((?P<name>[^)]+)\)")


class HumanSpeechError(RuntimeError):
    """The recordings are not where they were looked for, or hold no transcript that this module reads."""


class Sentence(NamedTuple):
    """8 kHz mono mu-law, one byte a sample, and what is said, in lower case without punctuation."""

    mulaw_8k: bytes
    transcript: str


def human_sentences(directory: Path = DEBIAN_LOCATION) -> Iterator[Sentence]:
    """Yield every sentence in `directory`, in the order of its `transcription` file.

    The texts are the package's own, with its slips: sentence 0920 is written "a more a amiable woman".
    Raises HumanSpeechError, which names the Debian package, where a file is missing, and `WavError` of
    `audio.errors` where a recording is damaged.
    """
    for recording, text in _recordings(directory):
        samples, rate_hz = read_wav(recording)
        yield Sentence(encode_mulaw(to_pcm16(telephone_band(samples, rate_hz))), text)


def telephone_band(samples: NDArray[np.float32], rate_hz: int) -> NDArray[np.float32]:
    """Band-limit to 300-3400 Hz and reduce to 8 kHz; level and timing stay as they are.

    `rate_hz` must be a multiple of 8000 (ValueError), so that keeping every n-th sample is exact.
    """
    if rate_hz % LINE_RATE_HZ:
        raise ValueError(f"{rate_hz} Hz is not a multiple of {LINE_RATE_HZ} Hz: resample the recording first")
    half = round(rate_hz * FILTER_S / 2)
    n = np.arange(-half, half + 1)
    low, high = 2 * LOW_HZ / rate_hz, 2 * HIGH_HZ / rate_hz
    taps = (high * np.sinc(high * n) - low * np.sinc(low * n)) * np.hamming(len(n))
    centred = np.convolve(samples, taps)[half : half + len(samples)]
    return centred[:: rate_hz // LINE_RATE_HZ].astype(np.float32)


def _recordings(directory: Path) -> list[tuple[Path, str]]:
    """(file, text) for each line of the package's `transcription` file."""
    transcription = directory / "transcription"
    mend = f"run `apt-get install {DEBIAN_PACKAGE}`, or pass the directory that holds its LibriVox sentences"
    if not transcription.is_file():
        raise HumanSpeechError(f"{transcription} is missing: {mend}")
    lines = _TRANSCRIPT.finditer(transcription.read_text(encoding="utf-8"))
    found = [(directory / f"{line['name']}.wav", line["text"]) for line in lines]
    if not found:
        raise HumanSpeechError(f"{transcription} holds no line of the form '<s> text </s> (name)': {mend}")
    missing = [str(recording) for recording, _ in found if not recording.is_file()]
    if missing:
        raise HumanSpeechError(f"{', '.join(missing)} missing: {mend}")
    return found
