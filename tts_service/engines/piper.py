"""Piper voices on a CPU. The only file that imports `piper`, which is GPL-3.0-or-later.

Piper gives the way from text to phonemes; the model behind it is run by `tts_service.engines.vits`.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from tts_service.engines.inference import gain_to_speech_level, stream
from tts_service.engines.vits import Scales, Vits
from tts_service.errors import EngineFault, EngineMissing, UnknownVoice, VoiceUnusable
from tts_service.ports import Pcm, Phrase, VoiceInfo

if TYPE_CHECKING:
    from piper import PiperVoice

_WARM_UP: Final = "1, 2, 3, 4, 5."
_FILE_NAME: Final = re.compile(r"(?P<language>[a-z]{2,3}_[A-Z]{2})-(?P<name>\w+)-(?P<quality>\w+)")


class PiperEngine:
    """Every Piper voice of this process."""

    def __init__(self, voices: Mapping[str, OneVoice], executor: Executor) -> None:
        self._voices = dict(voices)
        self._executor = executor

    @classmethod
    def load(cls, models: Sequence[Path], threads: int, executor: Executor) -> PiperEngine:
        """Open voices: `.onnx` files with their `.onnx.json` beside them, or folders of such files.

        Blocks for about a second a voice. Raises EngineMissing without the package, VoiceUnusable for files
        that are not one-speaker voices.
        """
        try:
            import piper  # noqa: F401  # asked for first: its absence is the likeliest fault
        except ImportError as error:
            raise EngineMissing(
                f"the engine piper is not installed ({error.name})", mend='pip install "trunkline[tts-piper]"'
            ) from error
        files: dict[str, Path] = {}
        for path in _voice_files(models):
            name = _voice_name(path)
            if name in files:
                raise VoiceUnusable(f"two Piper voices are named {name!r}", mend=f"rename or remove {path}")
            files[name] = path
        return cls({name: OneVoice(path, threads) for name, path in files.items()}, executor)

    @property
    def incremental(self) -> bool:
        """True unless a voice could not be cut in two."""
        return all(voice.incremental for voice in self._voices.values())

    def voices(self) -> tuple[VoiceInfo, ...]:
        """Every voice, by the name in its file's name; the first one is the default."""
        return tuple(VoiceInfo(name, voice.language) for name, voice in self._voices.items())

    def synthesize(self, phrase: Phrase) -> AsyncGenerator[Pcm, None]:
        """The phrase in growing windows, from 279 ms on; what a Piper voice says is in its own language."""
        voice = self._voices.get(phrase.voice)
        if voice is None:
            raise UnknownVoice(
                f"Piper has no voice {phrase.voice!r} here", mend=f"use one of {', '.join(self._voices)}"
            )
        return stream(voice.speak(phrase.text, phrase.speed), voice.rate_hz, self._executor)


class OneVoice:
    """One voice model, opened and warm."""

    def __init__(self, model: Path, threads: int) -> None:
        config = _read_config(model)
        named = _FILE_NAME.fullmatch(model.stem)
        self.language = named["language"].replace("_", "-") if named else str(config["espeak"]["voice"])
        self._text = _text_side(model, config)
        self.rate_hz: int = self._text.config.sample_rate
        self._model = Vits(model, self._text.config.hop_length, threads)
        self.incremental = self._model.incremental
        self._gain = 1.0
        warm_up = list(self.speak(_WARM_UP, 1.0))
        if not warm_up:
            raise VoiceUnusable(f"{model} says nothing", mend="install the voice again")
        self._gain = gain_to_speech_level(np.concatenate(warm_up), self.rate_hz)

    def speak(self, text: str, speed: float) -> Iterator[NDArray[np.float32]]:
        """Make the audio of `text`, chunk by chunk; every step blocks while it computes."""
        config = self._text.config
        scales = Scales(config.noise_scale, config.length_scale / speed, config.noise_w_scale)
        try:
            if not any(sign.isalnum() for sign in text):  # eSpeak NG would read the names of the marks
                return
            for phonemes in self._text.phonemize(text):
                ids = self._text.phonemes_to_ids(phonemes)
                for samples in self._model.speak(ids, scales):
                    yield np.clip(samples * self._gain, -1.0, 1.0)
        except Exception as error:  # whatever espeak or onnxruntime raise: the next engine takes over
            raise EngineFault(f"Piper failed: {' '.join(str(error).split())}") from error


def _voice_name(model: Path) -> str:
    """`joe` for en_US-joe-medium.onnx."""
    named = _FILE_NAME.fullmatch(model.stem)
    return named["name"] if named else model.stem


def _voice_files(models: Sequence[Path]) -> list[Path]:
    files: list[Path] = []
    for path in models:
        found = sorted(path.glob("*.onnx")) if path.is_dir() else [path]
        if not found:
            raise VoiceUnusable(f"{path} holds no .onnx file", mend="give a Piper voice or a folder of them")
        files += found
    return files


def _read_config(model: Path) -> dict[str, Any]:
    path = model.with_name(f"{model.name}.json")
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise VoiceUnusable(
            f"{path} cannot be read: {error}",
            mend="a Piper voice is an .onnx file with its .onnx.json beside it",
        ) from error
    if not isinstance(config, dict) or "espeak" not in config or config.get("num_speakers", 1) != 1:
        raise VoiceUnusable(
            f"{path} does not describe a Piper voice of one speaker", mend="use another voice model"
        )
    return config


def _text_side(model: Path, config: dict[str, Any]) -> PiperVoice:
    """Piper's own way from text to phoneme ids; its inference session stays unused."""
    from piper import PiperVoice
    from piper.config import PiperConfig

    try:
        read = PiperConfig.from_dict(config)
    except (KeyError, ValueError) as error:
        raise VoiceUnusable(
            f"{model}.json lacks or misstates {error}", mend="install the voice again"
        ) from error
    return PiperVoice(session=None, config=read)
