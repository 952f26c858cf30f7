"""Kokoro: voices from both kinds of file, language by voice and assistant, and clear refusals."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from models.store import ModelStore
from tests.unit.tts_service.engines.conftest import Stand, chunks_of
from tts_service.engines.kokoro import KokoroEngine
from tts_service.errors import EngineMissing, LanguageUnsupported, VoiceUnusable
from tts_service.ports import Phrase

_EXECUTOR = ThreadPoolExecutor(1)


def test_voices_come_from_archives_and_folders(kokoro: Stand) -> None:
    voices = {voice.name: voice.language for voice in kokoro.engine.voices()}
    assert voices["jm_kumo"] == "ja-JP"
    assert (voices["af_alpha"], voices["bm_kumo"]) == ("en-US", "en-GB")
    assert not any(voice.incremental for voice in kokoro.engine.voices())


async def _speak(stand: Stand, voice: str, language: str) -> list[np.ndarray]:
    phrase = Phrase("Can't.", voice, 1.0, language)
    return [pcm.samples async for pcm in chunks_of(stand.engine, phrase)]


async def test_the_same_style_from_a_folder_sounds_the_same(kokoro: Stand) -> None:
    archive, folder = await _speak(kokoro, "jf_alpha", "en-US"), await _speak(kokoro, "af_alpha", "en-US")
    assert np.array_equal(np.concatenate(archive), np.concatenate(folder))


async def test_a_british_voice_speaks_british_english(kokoro: Stand) -> None:
    british, american = await _speak(kokoro, "bm_kumo", "en-US"), await _speak(kokoro, "jm_kumo", "en-US")
    assert not np.array_equal(np.concatenate(british), np.concatenate(american))
    also_british = await _speak(kokoro, "jm_kumo", "en-GB")
    assert np.array_equal(np.concatenate(british), np.concatenate(also_british))


async def test_it_is_silent_for_a_moment_only_before_it_speaks(kokoro: Stand) -> None:
    samples = np.concatenate(await _speak(kokoro, "jf_alpha", "en-US"))
    assert np.flatnonzero(abs(samples) > 0.01)[0] < 0.05 * kokoro.rate_hz


def test_a_language_that_it_cannot_speak_is_refused(kokoro: Stand) -> None:
    with pytest.raises(LanguageUnsupported, match="cannot speak ja-JP here"):
        kokoro.engine.begin(Phrase("こんにちは", "jf_alpha", 1.0, "ja-JP"))


def test_without_the_package_the_mend_is_a_command(
    monkeypatch: pytest.MonkeyPatch, english_voices: Path, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "kokoro_onnx.tokenizer", None)
    with pytest.raises(EngineMissing, match=r'pip install "trunkline\[tts-kokoro\]"'):
        KokoroEngine.load(tmp_path / "model.onnx", [english_voices], 1, _EXECUTOR)


def test_files_that_hold_no_voices_are_refused(tmp_path: Path, model_store: ModelStore) -> None:
    model = model_store.path("kokoro-82m-int8")
    junk = tmp_path / "voices.npz"
    junk.write_bytes(b"PK\x03\x04junk")
    short = tmp_path / "short"
    short.mkdir()
    (short / "af_short.bin").write_bytes(b"\x00" * 1000)
    empty = tmp_path / "empty"
    empty.mkdir()
    for path, match in (
        (junk, "holds no Kokoro voices"),
        (short, "holds no Kokoro voices"),
        (empty, "has no voice"),
    ):
        with pytest.raises(VoiceUnusable, match=match):
            KokoroEngine.load(model, [path], 1, _EXECUTOR)


def test_a_file_that_is_no_model_is_named(tmp_path: Path, english_voices: Path) -> None:
    junk = tmp_path / "junk.onnx"
    junk.write_bytes(b"not a model")
    with pytest.raises(VoiceUnusable, match=r"junk\.onnx cannot be opened"):
        KokoroEngine.load(junk, [english_voices], 1, _EXECUTOR)
