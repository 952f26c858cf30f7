from __future__ import annotations

import sys
from importlib import metadata
from pathlib import Path

import pytest

from trunkline import inventory
from trunkline.inventory import EMBEDDED_EXTRAS, default_models, installed_versions, packages_by_extra


def test_extras_are_those_of_our_own_metadata() -> None:
    extras = {extra.name: extra for extra in packages_by_extra()}
    assert set(EMBEDDED_EXTRAS) < set(extras)
    assert set(extras["stt"].packages) == {"faster-whisper"}
    assert extras["stt"].packages["faster-whisper"] == metadata.version("faster-whisper")
    assert "nats-py" in extras[""].packages
    assert "pytest" not in extras[""].packages


def test_what_is_not_installed_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    requirements = [
        'numpy>=2; python_version < "4.0"',
        'never-heard-of[all]>=1; extra == "stt"',
        'old-thing; python_version < "3.1" and extra == "stt"',
        'elsewhere; sys_platform != "linux" and extra == "stt"',
        'tool; extra == "dev"',
    ]
    monkeypatch.setattr(metadata, "requires", lambda _: requirements)
    monkeypatch.setattr(sys, "platform", "linux")
    extras = {extra.name: extra for extra in packages_by_extra()}
    assert extras[""].missing == []
    assert extras["stt"].missing == ["never-heard-of"]
    assert list(extras["stt"].packages) == ["never-heard-of"]


def test_versions_of_all_that_is_installed() -> None:
    versions = installed_versions()
    assert versions["trunkline"] == metadata.version("trunkline")
    assert versions["numpy"] == metadata.version("numpy")


def test_the_default_models_are_enough_for_a_call() -> None:
    assert {model.kind for model in default_models()} >= {"stt", "vad", "tts", "embedding", "llm"}


def test_a_nats_server_that_is_not_there_is_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    assert inventory.nats_server_path() is None
