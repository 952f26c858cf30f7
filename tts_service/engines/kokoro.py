"""Kokoro-82M on a CPU: one model, a voice is a table of style vectors. A better voice than Piper's, at five
times the work: an answer begins after 0.6 s rather than 0.06.

The model makes a phrase whole (its normalization looks at all of it), so a long sentence is best given clause
by clause. Its graph takes one phrase: there are no batches. Between text and model stand `kokoro-onnx` (MIT)
and, below it, `phonemizer` and eSpeak NG, which are GPL-3.0-or-later.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor
from pathlib import Path
from typing import TYPE_CHECKING, Final
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from tts_service.engines.inference import gain_to_speech_level, open_session
from tts_service.errors import EngineFault, EngineMissing, LanguageUnsupported, UnknownVoice, VoiceUnusable
from tts_service.ports import Pcm, Phrase, Run, VoiceInfo

if TYPE_CHECKING:
    from kokoro_onnx.tokenizer import Tokenizer

_RATE_HZ: Final = 24_000
_STYLE: Final = 256
_WARM_UP: Final = "One, two, three."
_EDGE_SILENCE: Final = 0.01  # the model leaves 0.3 s before and 0.5 s after each phrase, quieter than this
_LEAD_S: Final = 0.03
_TAIL_S: Final = 0.2
# The first letter of a voice's name says where it is at home; the second, whether it is a woman's (f) or not.
_HOMES: Final = {
    "a": "en-US",
    "b": "en-GB",
    "e": "es-ES",
    "f": "fr-FR",
    "h": "hi-IN",
    "i": "it-IT",
    "j": "ja-JP",
    "p": "pt-BR",
    "z": "zh-CN",
}
# What eSpeak NG turns into phonemes that Kokoro was trained on. Japanese and Chinese need other tools.
_ESPEAK: Final = {"en": "en-us", "es": "es", "fr": "fr-fr", "hi": "hi", "it": "it", "pt": "pt-br"}


class KokoroEngine:
    """The model with every voice that was found."""

    def __init__(
        self, model: Path, styles: Mapping[str, NDArray[np.float32]], threads: int, executor: Executor
    ) -> None:
        self._styles = dict(styles)
        self._executor = executor
        self._tokenizer = _tokenizer()
        self._session = open_session(model, threads)
        self._tokens_name = self._session.get_inputs()[0].name
        self._gain = 1.0
        warm_up = list(self._speak(Phrase(_WARM_UP, next(iter(self._styles)))))
        if not warm_up:
            raise VoiceUnusable(f"{model} says nothing", mend="install the model again")
        self._gain = gain_to_speech_level(np.concatenate(warm_up), _RATE_HZ)

    @classmethod
    def load(cls, model: Path, voices: Sequence[Path], threads: int, executor: Executor) -> KokoroEngine:
        """Open the model and its voices: `.npz` files of one array a voice, or folders of `.bin` files.

        Blocks for 2 to 3 s. Raises EngineMissing without the package, VoiceUnusable for other files.
        """
        styles: dict[str, NDArray[np.float32]] = {}
        for path in voices:
            styles |= _read_styles(path)
        if not styles:
            raise VoiceUnusable("Kokoro has no voice", mend="set TRUNKLINE_TTS_KOKORO_VOICES")
        return cls(model, styles, threads, executor)

    def voices(self) -> tuple[VoiceInfo, ...]:
        """Every voice; the first one is the default. What they say is heard when all of it is made."""
        return tuple(
            VoiceInfo(name, _HOMES.get(name[:1], "en-US"), incremental=False) for name in self._styles
        )

    def begin(self, phrase: Phrase) -> KokoroUtterance:
        """Any voice speaks any language that eSpeak NG has here."""
        if phrase.voice not in self._styles:
            raise UnknownVoice(
                f"Kokoro has no voice {phrase.voice!r} here", mend=f"use one of {', '.join(self._styles)}"
            )
        _espeak_language(phrase)
        return KokoroUtterance(self._speak(phrase))

    async def advance(self, utterances: Sequence[KokoroUtterance]) -> list[Pcm | None]:
        """Each phrase, one after the other; of one above 510 phonemes, the next part."""
        loop = asyncio.get_running_loop()
        for utterance in utterances:
            await loop.run_in_executor(self._executor, utterance.make)
        return [utterance.take() for utterance in utterances]

    def _speak(self, phrase: Phrase) -> Iterator[NDArray[np.float32]]:
        from kokoro_onnx.chunker import split_phonemes
        from kokoro_onnx.config import MAX_PHONEME_LENGTH

        try:
            phonemes = self._tokenizer.phonemize(phrase.text, _espeak_language(phrase))
            for part in split_phonemes(" ".join(phonemes.split()), MAX_PHONEME_LENGTH):
                tokens = self._tokenizer.tokenize(part)
                if any(sign.isalpha() for sign in part):  # of marks alone the model would make a noise
                    yield np.clip(_trimmed(self._infer(tokens, phrase)) * self._gain, -1.0, 1.0)
        except Exception as error:  # whatever eSpeak or onnxruntime raise: the next engine takes over
            raise EngineFault(f"Kokoro failed: {' '.join(str(error).split())}") from error

    def _infer(self, tokens: list[int], phrase: Phrase) -> NDArray[np.float32]:
        styles = self._styles[phrase.voice]
        audio: NDArray[np.float32] = self._session.run(
            None,
            {
                self._tokens_name: np.array([[0, *tokens, 0]], np.int64),
                "style": styles[min(len(tokens), len(styles)) - 1],
                "speed": np.array([phrase.speed], np.float32),
            },
        )[0]
        return audio.reshape(-1)


class KokoroUtterance:
    """A phrase in the parts that the model takes."""

    def __init__(self, parts: Iterator[NDArray[np.float32]]) -> None:
        self._parts = parts
        self._made: NDArray[np.float32] | None = None
        self._over = False

    @property
    def run(self) -> Run | None:
        """Always alone."""
        return None if self._over else Run("part")

    def make(self) -> None:
        """Have the next part ready, unless it is; blocks while the model works."""
        if self._made is None and not self._over:
            self._made = next(self._parts, None)
            self._over = self._made is None

    def take(self) -> Pcm | None:
        """What was made."""
        samples, self._made = self._made, None
        return None if samples is None else Pcm(samples, _RATE_HZ)


def _tokenizer() -> Tokenizer:
    try:
        from kokoro_onnx.tokenizer import Tokenizer
    except ImportError as error:
        raise EngineMissing(
            f"the engine kokoro is not installed ({error.name})", mend='pip install "trunkline[tts-kokoro]"'
        ) from error
    return Tokenizer()


def _espeak_language(phrase: Phrase) -> str:
    language = _ESPEAK.get(phrase.language.split("-", maxsplit=1)[0])
    if language is None:
        raise LanguageUnsupported(
            f"Kokoro cannot speak {phrase.language} here", mend=f"use one of {', '.join(_ESPEAK)}"
        )
    british = phrase.voice.startswith("b") or phrase.language == "en-GB"
    return "en-gb" if language == "en-us" and british else language


def _read_styles(path: Path) -> dict[str, NDArray[np.float32]]:
    """Voices by name; each is one style vector for each number of phonemes, (n, 1, 256)."""
    try:
        if path.is_dir():
            flat = {file.stem: np.fromfile(file, "<f4") for file in sorted(path.glob("*.bin"))}
        else:
            with np.load(path) as arrays:
                flat = {name: arrays[name] for name in sorted(arrays.files)}
        return {name: style.reshape(-1, 1, _STYLE).astype(np.float32) for name, style in flat.items()}
    except (OSError, ValueError, BadZipFile) as error:
        raise VoiceUnusable(
            f"{path} holds no Kokoro voices: {error}", mend="give an .npz file, or a folder of .bin files"
        ) from error


def _trimmed(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    loud = np.flatnonzero(abs(samples) > _EDGE_SILENCE)
    if not len(loud):
        return samples[:0]
    return samples[max(0, loud[0] - int(_LEAD_S * _RATE_HZ)) : loud[-1] + int(_TAIL_S * _RATE_HZ)]
