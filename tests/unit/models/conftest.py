"""Packages of a few bytes, installed as the real ones are."""

from collections.abc import Callable
from pathlib import Path

import pytest

Install = Callable[[str, dict[str, bytes]], None]


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    return folder


@pytest.fixture
def install(site: Path) -> Install:
    """Put a package on the path whose code must never run."""

    def run(name: str, files: dict[str, bytes]) -> None:
        info = site / f"{name.replace('-', '_')}-1.0.dist-info"
        info.mkdir(exist_ok=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        for path, content in files.items():
            (site / path).parent.mkdir(parents=True, exist_ok=True)
            (site / path).write_bytes(content)
        top = site / next(iter(files)).split("/")[0]
        (top / "__init__.py").write_text("raise RuntimeError('a model package was imported')")

    return run
