"""Settings come from the environment once, and a fault names its variable."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import pytest
from pydantic import Field, ValidationError, field_validator

from runtime.errors import SettingsError
from runtime.settings import ProcessSettings, load


class Settings(ProcessSettings):
    probe_rate_hz: Annotated[int, Field(gt=0)] = 8000
    probe_models: tuple[str, ...] = ()
    probe_folder: Path | None = None

    @field_validator("probe_folder")
    @classmethod
    def _exists(cls, folder: Path | None) -> Path | None:
        if folder is not None and not folder.exists():
            raise ValueError("there is no such folder")
        return folder


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("TRUNKLINE_")]:
        monkeypatch.delenv(name)


def test_the_environment_is_read_with_the_prefix(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRUNKLINE_PROBE_RATE_HZ", "16000")
    monkeypatch.setenv("TRUNKLINE_PROBE_MODELS", '["a", "b"]')
    monkeypatch.setenv("TRUNKLINE_OTHER_SERVICE_PORT", "not ours")
    settings = load(Settings)
    assert (settings.probe_rate_hz, settings.probe_models) == (16_000, ("a", "b"))
    assert settings.nats_url == "nats://127.0.0.1:4222"


@pytest.mark.parametrize(
    ("variable", "value", "says"),
    [
        ("TRUNKLINE_PROBE_RATE_HZ", "0", "TRUNKLINE_PROBE_RATE_HZ='0': Input should be greater than 0"),
        (
            "TRUNKLINE_PROBE_RATE_HZ",
            "fast",
            "TRUNKLINE_PROBE_RATE_HZ='fast': Input should be a valid integer",
        ),
        ("TRUNKLINE_PROBE_MODELS", "a, b", "TRUNKLINE_PROBE_MODELS: not the JSON it must be"),
        ("TRUNKLINE_PROBE_MODELS", "[1]", "TRUNKLINE_PROBE_MODELS=1, at 0: Input should be a valid string"),
        ("TRUNKLINE_PROBE_FOLDER", "/no/such", "TRUNKLINE_PROBE_FOLDER='/no/such': Value error, there is no"),
        ("TRUNKLINE_HEALTH_PORT", "65536", "TRUNKLINE_HEALTH_PORT='65536': Input should be less than"),
        ("TRUNKLINE_LOG_LEVEL", "loud", "TRUNKLINE_LOG_LEVEL='loud': Input should be 'debug'"),
        ("TRUNKLINE_PROCESS", "Not.A.Token", "TRUNKLINE_PROCESS='Not.A.Token': String should match"),
        (
            "TRUNKLINE_EXIT_WITH_PARENT",
            "maybe",
            "TRUNKLINE_EXIT_WITH_PARENT='maybe': Input should be a valid",
        ),
    ],
)
def test_a_fault_names_its_variable(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, says: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError) as caught:
        load(Settings)
    assert caught.value.message.startswith(says)
    assert caught.value.mend == f"correct {variable}"


def test_settings_do_not_change() -> None:
    settings = load(Settings)
    with pytest.raises(ValidationError, match="frozen"):
        settings.nats_url = "nats://elsewhere"  # type: ignore[misc]  # that is the point
