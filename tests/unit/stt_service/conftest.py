from __future__ import annotations

from pathlib import Path

import pytest

from models.store import ModelStore


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where services of these tests keep what they make; the models are joined there once."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="session")
def model_store(home: Path) -> ModelStore:
    """The models of this machine."""
    return ModelStore(home / "models")
