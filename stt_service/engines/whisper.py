"""Whisper through CTranslate2, on as little audio as there is.

Whisper was made for windows of 30 s, and the stock way of calling it computes them whole for two seconds of
speech. Here the encoder sees the segment and `_PADDING_S` of silence after it, and the number of tokens is
capped by duration. That is several times faster, and as good once a habit of a model that is short of context
is seen to: it likes to say everything twice (`engines.echoes`).
"""

from __future__ import annotations

import asyncio
import math
import zlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import ctranslate2
import numpy as np
import tokenizers
from faster_whisper.tokenizer import Tokenizer
from numpy.typing import NDArray

from audio.resample import resample
from models.store import ModelStore
from stt_service.engines.echoes import first_telling, utterances
from stt_service.engines.mel import HOP, LogMel
from stt_service.engines.mel import RATE_HZ as WHISPER_HZ
from stt_service.errors import EngineFault, EngineMissing, EngineRejected
from stt_service.ports import RATE_HZ, Segment, SpokenWord, Transcript
from stt_service.settings import Settings

_POSITION_S: Final = 2 * HOP / WHISPER_HZ  # of the encoder: two frames, 20 ms
_PADDING_S: Final = 2.0
_TOKENS_PER_S, _TOKENS_AT_LEAST = 6, 8  # the fastest of speakers say 5 a second
_LANES: Final = 2  # so that a partial transcript is never in the way of a whole one
_REPETITIVE: Final = 2.4
_NOTHING: Final = ((0.0, -1.5), (0.6, -1.0), (0.85, math.inf))
"""No words where the probability of no speech is above the one and the mean log probability below the other:
Whisper's own rule in the middle, and beside it what was measured on noise, tones and short words."""
_COMPUTE: Final = {"cpu": ("int8", "int8_float32", "float32"), "cuda": ("float16", "float32")}


def load(settings: Settings, models: ModelStore) -> WhisperTranscriber:
    """The engine as configured, warm. Raises ModelError or EngineMissing; blocks for about a second."""
    device = settings.stt_whisper_device
    if device == "auto":
        device = "cuda" if ctranslate2.get_cuda_device_count() else "cpu"
    return WhisperTranscriber(
        models.path(settings.stt_whisper_model),
        device=device,
        compute=settings.stt_whisper_compute,
        threads=settings.stt_engine_threads,
        beam=settings.stt_whisper_beam,
        with_words=settings.stt_whisper_words,
    )


class WhisperTranscriber:
    """A Whisper model in CTranslate2's format, on threads of its own that leave the GIL alone."""

    def __init__(
        self, folder: Path, *, device: str, compute: str, threads: int, beam: int, with_words: bool
    ) -> None:
        self._model = _open(folder, device, compute, threads)
        self._mel = LogMel(self._model.n_mels)
        self._spelling = _open_tokenizer(folder / "tokenizer.json")
        self._languages: dict[str, Tokenizer] = {}
        self._beam = beam
        self._with_words = with_words
        self._threads = ThreadPoolExecutor(_LANES, thread_name_prefix="whisper")
        hum = np.random.default_rng(0).standard_normal(3 * RATE_HZ).astype(np.float32) * 1e-3
        self._transcribe([Segment(hum, "en")])  # the first run of a model is its slowest

    async def transcribe(self, batch: Sequence[Segment]) -> list[Transcript]:
        """One transcript a segment; raises EngineRejected for a language that the model has not learned."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._transcribe, batch)

    async def close(self) -> None:
        """Wait for what is being decoded, then free the model."""
        await asyncio.to_thread(self._threads.shutdown, cancel_futures=True)
        self._model.unload_model()

    def _transcribe(self, batch: Sequence[Segment]) -> list[Transcript]:
        """A run for each language in the batch; nearly always there is one."""
        by_language: dict[str, list[int]] = {}
        for index, segment in enumerate(batch):
            by_language.setdefault(segment.language.partition("-")[0], []).append(index)
        transcripts: dict[int, Transcript] = {}
        for language, indices in by_language.items():
            told = self._run([batch[index] for index in indices], self._tokenizer(language))
            transcripts.update(zip(indices, told, strict=True))
        return [transcripts[index] for index in range(len(batch))]

    def _run(self, segments: list[Segment], tokenizer: Tokenizer) -> list[Transcript]:
        longest_s = max(segment.duration_s for segment in segments)
        cap = math.ceil(longest_s * _TOKENS_PER_S) + _TOKENS_AT_LEAST
        prompt = tokenizer.sot_sequence
        try:
            sound = self._model.encode(
                ctranslate2.StorageView.from_array(self._features(segments, longest_s))
            )
            results = self._model.generate(
                sound,
                [prompt] * len(segments),
                beam_size=self._beam,
                max_length=2 * cap,  # CTranslate2 stops at half of it
                return_scores=True,
                return_no_speech_prob=True,
            )
            tellings = [
                self._told(result, tokenizer, segment.duration_s, cap)
                for result, segment in zip(results, segments, strict=True)
            ]
            words = self._words(sound, tokenizer, segments, tellings) if self._with_words else None
        except (RuntimeError, ValueError) as error:
            raise EngineFault(f"CTranslate2: {error}", mend="see the service's log") from error
        return [
            Transcript(
                tokenizer.decode(tokens).strip(),
                tokenizer.language_code,
                confidence=min(1.0, math.exp(result.scores[0])) if tokens else 0.0,
                words=words[index] if words else (),
            )
            for index, (tokens, result) in enumerate(zip(tellings, results, strict=True))
        ]

    def _features(self, segments: list[Segment], longest_s: float) -> NDArray[np.float32]:
        """Log-mel frames [B, mels, T] of the segments, each padded with silence to the same length."""
        count = 2 * math.ceil((longest_s + _PADDING_S) / _POSITION_S)
        return np.stack(
            [self._mel.frames(resample(one.samples, RATE_HZ, WHISPER_HZ), count) for one in segments]
        )

    def _told(self, result: Any, tokenizer: Tokenizer, duration_s: float, cap: int) -> list[int]:
        """The tokens of what was said, once; none where the model's own doubts say that nothing was."""
        tokens = result.sequences_ids[0]
        doubt, surety = result.no_speech_prob, result.scores[0]
        if any(doubt > least and surety < below for least, below in _NOTHING):
            return []
        cut_off = len(tokens) >= cap
        told = first_telling(
            utterances(tokens, tokenizer.eot, tokenizer.timestamp_begin, _POSITION_S),
            tokenizer.decode,
            duration_s,
            cut_off=cut_off,
        )
        return [] if cut_off and _repetitive(tokenizer.decode(told)) else told

    def _words(
        self, sound: Any, tokenizer: Tokenizer, segments: list[Segment], tellings: list[list[int]]
    ) -> list[tuple[SpokenWord, ...]]:
        """When each word sounds, by the attention of the model's alignment heads."""
        frames = [math.ceil(segment.duration_s / _POSITION_S) for segment in segments]
        alignments = self._model.align(sound, tokenizer.sot_sequence, tellings, [2 * one for one in frames])
        return [
            _timed(tokenizer, tokens, alignment)
            for tokens, alignment in zip(tellings, alignments, strict=True)
        ]

    def _tokenizer(self, language: str) -> Tokenizer:
        if language not in self._languages:
            if not self._model.is_multilingual and language != "en":
                raise EngineRejected(
                    f"this Whisper model knows English only, and the assistant speaks {language!r}",
                    mend="set TRUNKLINE_STT_WHISPER_MODEL to a multilingual one",
                )
            try:
                self._languages[language] = Tokenizer(
                    self._spelling, self._model.is_multilingual, task="transcribe", language=language
                )
            except ValueError as error:
                raise EngineRejected(
                    f"Whisper has not learned the language {language!r}", mend="correct the assistant"
                ) from error
        return self._languages[language]


def _open(folder: Path, device: str, compute: str, threads: int) -> Any:
    try:
        known = ctranslate2.get_supported_compute_types(device)
        if compute == "auto":
            compute = next(kind for kind in _COMPUTE[device] if kind in known)
        model = ctranslate2.models.Whisper(
            str(folder), device=device, compute_type=compute, intra_threads=threads, inter_threads=_LANES
        )
    except (RuntimeError, ValueError) as error:
        raise EngineMissing(
            f"{folder} cannot be opened on {device} as {compute}: {error}",
            mend="set TRUNKLINE_STT_WHISPER_MODEL to a Whisper model in CTranslate2's format",
        ) from error
    return model


def _open_tokenizer(file: Path) -> Any:
    try:
        return tokenizers.Tokenizer.from_file(str(file))
    except Exception as error:  # the library raises nothing more special
        raise EngineMissing(
            f"{file} cannot be read as a tokenizer: {error}",
            mend="put the tokenizer.json of this Whisper model beside it",
        ) from error


def _repetitive(text: str) -> bool:
    """Whisper's mark of a loop: text that compresses far better than speech does."""
    raw = text.encode()
    return len(raw) / len(zlib.compress(raw)) > _REPETITIVE if raw else False


def _timed(tokenizer: Tokenizer, tokens: list[int], alignment: Any) -> tuple[SpokenWord, ...]:
    """Word by word, from (token, position) pairs and the probability of each token."""
    if not tokens:
        return ()
    token_of, position_of = np.array(alignment.alignments).T
    _, first = np.unique(token_of, return_index=True)
    starts_ms = position_of[first] * (1000 * _POSITION_S)
    texts, spellings = tokenizer.split_to_word_tokens([*tokens, tokenizer.eot])
    words: list[SpokenWord] = []
    at = 0
    for text, spelling in zip(texts[:-1], spellings[:-1], strict=True):
        end = at + len(spelling)
        if words and not text.startswith(" "):  # punctuation: it belongs to the word that it follows
            words[-1] = words[-1]._replace(text=words[-1].text + text)
        else:
            probability = float(np.mean(alignment.text_token_probs[at:end]))
            words.append(SpokenWord(text.strip(), float(starts_ms[at]), float(starts_ms[end]), probability))
        at = end
    return tuple(words)
