"""Piper: its voices by file, early audio, and clear refusals."""

from __future__ import annotations

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from models.store import ModelStore
from tests.unit.tts_service.engines.conftest import Stand, chunks_of
from tts_service.engines.piper import PiperEngine
from tts_service.errors import EngineMissing, VoiceUnusable
from tts_service.ports import Phrase, VoiceInfo

_EXECUTOR = ThreadPoolExecutor(1)


def test_a_voice_is_named_by_its_file(piper: Stand) -> None:
    assert piper.engine.voices() == (VoiceInfo("joe", "en-US"),)


async def test_the_first_chunk_is_a_quarter_of_a_second_however_long_the_sentence(piper: Stand) -> None:
    chunks = [
        len(pcm.samples)
        async for pcm in chunks_of(
            piper.engine,
            Phrase("On Saturday we are open from nine in the morning until one in the afternoon.", "joe"),
        )
    ]
    assert chunks[0] == 24 * 256
    assert sum(chunks) > 10 * chunks[0]


def test_without_the_package_the_mend_is_a_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "piper", None)
    with pytest.raises(EngineMissing, match=r'pip install "trunkline\[tts-piper\]"'):
        PiperEngine.load([], 1, _EXECUTOR)


@pytest.fixture
def voice_file(tmp_path: Path, model_store: ModelStore) -> Path:
    """A copy of the voice's files that a test may spoil; the model is only linked."""
    source = model_store.path("piper-joe")
    model = tmp_path / "en_GB-jane-medium.onnx"
    model.symlink_to(source)
    model.with_name(f"{model.name}.json").write_text(source.with_name(f"{source.name}.json").read_text())
    return model


def test_a_folder_holds_any_number_of_voices(voice_file: Path) -> None:
    engine = PiperEngine.load([voice_file.parent], 1, _EXECUTOR)
    assert engine.voices() == (VoiceInfo("jane", "en-GB"),)


def test_two_voices_of_one_name_are_refused(voice_file: Path) -> None:
    with pytest.raises(VoiceUnusable, match="two Piper voices are named 'jane'"):
        PiperEngine.load([voice_file, voice_file], 1, _EXECUTOR)


def test_a_folder_without_voices_is_refused(tmp_path: Path) -> None:
    with pytest.raises(VoiceUnusable, match=r"holds no \.onnx file"):
        PiperEngine.load([tmp_path], 1, _EXECUTOR)


def test_a_voice_without_its_description_is_refused(voice_file: Path) -> None:
    voice_file.with_name(f"{voice_file.name}.json").unlink()
    with pytest.raises(VoiceUnusable, match=r"onnx\.json cannot be read"):
        PiperEngine.load([voice_file], 1, _EXECUTOR)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"num_speakers": 5}, "one speaker"),
        ({"espeak": None}, "one speaker"),
        ({"num_symbols": None}, "num_symbols"),
    ],
)
def test_a_description_of_something_else_is_refused(
    voice_file: Path, change: dict[str, object], match: str
) -> None:
    path = voice_file.with_name(f"{voice_file.name}.json")
    config = {**json.loads(path.read_text()), **change}
    path.write_text(json.dumps({key: value for key, value in config.items() if value is not None}))
    with pytest.raises(VoiceUnusable, match=match):
        PiperEngine.load([voice_file], 1, _EXECUTOR)
