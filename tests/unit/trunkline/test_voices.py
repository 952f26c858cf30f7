from __future__ import annotations

from pathlib import Path

from router_service.routing import resolve
from router_service.stores.yaml_file import YamlFile
from trunkline.local_platform import TENANTS
from trunkline.voices import with_voice


def test_every_assistant_with_a_real_voice_gets_the_other_one(tmp_path: Path) -> None:
    snapshots, faults = resolve(YamlFile(with_voice(TENANTS, "kokoro", tmp_path)).read())
    before, _ = resolve(YamlFile(TENANTS).read())
    assert faults == []
    assert snapshots.keys() == before.keys()
    voices = {number: snapshot.assistant.engines.tts for number, snapshot in snapshots.items()}
    assert voices["+15550100"] == ("kokoro",)
    assert voices["+15550199"] == ("synthetic",)
    for number, snapshot in snapshots.items():
        kept = snapshot.assistant.model_copy(update={"engines": before[number].assistant.engines})
        assert kept == before[number].assistant


def test_an_assistant_without_engines_gets_it_too(tmp_path: Path) -> None:
    source = tmp_path / "tenants.yaml"
    source.write_text(
        "tenants: {a: {name: A, assistants: {x: {name: X, greeting: Hi, prompt: P}},"
        " numbers: {'+15550100': {assistant: x}}}}"
    )
    snapshots, _ = resolve(YamlFile(with_voice(source, "kokoro", tmp_path)).read())
    assert snapshots["+15550100"].assistant.engines.tts == ("kokoro",)
    assert snapshots["+15550100"].assistant.engines.stt == ("whisper",)
