"""Piper voices. The only file that imports `piper`, which is GPL-3.0-or-later.

Piper gives the way from text to phonemes; the model behind it is run by `tts_service.engines.vits`.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from tts_service.engines.inference import Device, gain_to_speech_level
from tts_service.engines.vits import Plan, Scales, Vits
from tts_service.errors import EngineFault, EngineMissing, UnknownVoice, VoiceUnusable
from tts_service.ports import Pcm, Phrase, Run, VoiceInfo

if TYPE_CHECKING:
    from piper import PiperVoice

_WARM_UP: Final = "1, 2, 3, 4, 5."
# Sentences in one run. On a CPU several take as long as one after the other, or longer, and each is heard
# only when all are made (docs/adr/0017). On a GPU, not measured yet, settings and latency budget decide.
_TOGETHER: Final[Mapping[Device, int]] = {"cpu": 1, "cuda": 1_000}
_FILE_NAME: Final = re.compile(r"(?P<language>[a-z]{2,3}_[A-Z]{2})-(?P<name>\w+)-(?P<quality>\w+)")


class PiperEngine:
    """Every Piper voice of this process."""

    def __init__(self, voices: Mapping[str, OneVoice], executor: Executor) -> None:
        self._voices = dict(voices)
        self._executor = executor

    @classmethod
    def load(
        cls,
        models: Sequence[Path],
        threads: int,
        executor: Executor,
        *,
        device: Device = "cpu",
        together: int | None = None,
    ) -> PiperEngine:
        """Open voices: `.onnx` files with their `.onnx.json` beside them, or folders of such files.

        `together` sentences in one run at most; without it, as many as gain by it on this device.

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
        at_once = _TOGETHER[device] if together is None else together
        return cls({name: OneVoice(path, threads, device, at_once) for name, path in files.items()}, executor)

    def voices(self) -> tuple[VoiceInfo, ...]:
        """Every voice, by the name in its file's name; the first one is the default."""
        return tuple(
            VoiceInfo(name, voice.language, voice.incremental) for name, voice in self._voices.items()
        )

    def begin(self, phrase: Phrase) -> PiperUtterance:
        """The phrase in growing windows, from 279 ms on; what a Piper voice says is in its own language."""
        voice = self._voices.get(phrase.voice)
        if voice is None:
            raise UnknownVoice(
                f"Piper has no voice {phrase.voice!r} here", mend=f"use one of {', '.join(self._voices)}"
            )
        return PiperUtterance(voice, phrase.text, phrase.speed)

    async def advance(self, utterances: Sequence[PiperUtterance]) -> list[Pcm | None]:
        """The next window of each, of one voice."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._executor, utterances[0].voice.advance, utterances)


class PiperUtterance:
    """A phrase: the sentences that it turned out to have, and the plan of the one that is being said."""

    def __init__(self, voice: OneVoice, text: str, speed: float) -> None:
        self.voice = voice
        self.text = text
        self.speed = speed
        self.sentences: deque[list[int]] | None = None  # phoneme ids; None before the text was read
        self.plan: Plan | None = None

    @property
    def run(self) -> Run | None:
        """Plans are made together at one speed, of texts of about one length: padding is work for nothing.
        Windows are, where they are equally long.
        """
        if self.plan is not None:
            return Run((self.voice, "window", self.plan.next_frames), self.voice.together)
        if self.sentences is None or self.sentences:
            about = len(self.text).bit_length()
            return Run((self.voice, "plan", self.speed, about), self.voice.together)
        return None


class OneVoice:
    """One voice model, opened and warm. `together`: how many sentences it makes in one run."""

    def __init__(self, model: Path, threads: int, device: Device, together: int) -> None:
        config = _read_config(model)
        named = _FILE_NAME.fullmatch(model.stem)
        self.language = named["language"].replace("_", "-") if named else str(config["espeak"]["voice"])
        self._text = _text_side(model, config)
        self.rate_hz: int = self._text.config.sample_rate
        self._model = Vits(model, self._text.config.hop_length, threads, device)
        self.incremental = self._model.incremental
        self.together = together if self.incremental else 1  # what pads a sentence would be heard
        self._gain = 1.0
        warm_up = self._warm_up()
        if not warm_up:
            raise VoiceUnusable(f"{model} says nothing", mend="install the voice again")
        self._gain = gain_to_speech_level(np.concatenate(warm_up), self.rate_hz)

    def advance(self, utterances: Sequence[PiperUtterance]) -> list[Pcm | None]:
        """The next window of each; blocks while it computes. Where it raises, no utterance lost anything."""
        try:
            for utterance in utterances:
                if utterance.sentences is None:
                    utterance.sentences = deque(self._read(utterance.text))
            self._plan([one for one in utterances if one.plan is None and one.sentences])
            speaking = [one for one in utterances if one.plan is not None]
            samples = self._model.speak([one.plan for one in speaking if one.plan is not None])
        except Exception as error:  # whatever espeak or onnxruntime raise: the next engine takes over
            raise EngineFault(f"Piper failed: {' '.join(str(error).split())}") from error
        made = dict(zip(speaking, samples, strict=True))
        for utterance in speaking:
            if utterance.plan is not None and not utterance.plan.next_frames:
                utterance.plan = None
        return [self._levelled(made[one]) if one in made else None for one in utterances]

    def _read(self, text: str) -> list[list[int]]:
        if not any(sign.isalnum() for sign in text):  # eSpeak NG would read the names of the marks
            return []
        return [self._text.phonemes_to_ids(phonemes) for phonemes in self._text.phonemize(text)]

    def _plan(self, beginning: Sequence[PiperUtterance]) -> None:
        """Begin with the next sentence of each; they are of one speed."""
        if not beginning:
            return
        config = self._text.config
        scales = Scales(config.noise_scale, config.length_scale / beginning[0].speed, config.noise_w_scale)
        sentences = [one.sentences for one in beginning if one.sentences]
        plans = self._model.plan([waiting[0] for waiting in sentences], scales)
        for utterance, waiting, plan in zip(beginning, sentences, plans, strict=True):
            waiting.popleft()
            utterance.plan = plan if plan.next_frames else None

    def _levelled(self, samples: NDArray[np.float32]) -> Pcm:
        return Pcm(np.clip(samples * self._gain, -1.0, 1.0), self.rate_hz)

    def _warm_up(self) -> list[NDArray[np.float32]]:
        utterance = PiperUtterance(self, _WARM_UP, 1.0)
        chunks: list[NDArray[np.float32]] = []
        while utterance.run is not None:
            chunks += [pcm.samples for pcm in self.advance([utterance]) if pcm is not None]
        return chunks


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
