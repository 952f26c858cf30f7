from __future__ import annotations

from pathlib import Path

from trunkline.private_files import write_private


def mode_of(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_only_its_owner_reads_it(tmp_path: Path) -> None:
    write_private(tmp_path / "secret", "one")
    assert mode_of(tmp_path / "secret") == 0o600
    assert (tmp_path / "secret").read_text() == "one"


def test_what_others_could_read_before_they_cannot_now(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text("much that was there before")
    path.chmod(0o644)
    write_private(path, "new")
    assert mode_of(path) == 0o600
    assert path.read_text() == "new"
