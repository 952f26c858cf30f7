"""Figures are in their file as soon as they are there, and the file is whole at any moment."""

import json
from pathlib import Path

import pytest

from bench.figures import Figures


def test_what_was_put_is_in_the_file_at_once(tmp_path: Path) -> None:
    path = tmp_path / "results" / "some.json"
    figures = Figures(path, "bench.some", cores=2)

    figures.put(rows=[1])
    first = json.loads(path.read_text(encoding="utf-8"))
    figures.put(rows=[1, 2])

    assert (first["cores"], first["rows"]) == (2, [1])
    assert json.loads(path.read_text(encoding="utf-8"))["rows"] == [1, 2]
    assert [one.name for one in path.parent.iterdir()] == ["some.json"]


def test_without_a_path_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    figures = Figures(None, "bench.some")
    figures.put(rows=[1])
    assert list(tmp_path.iterdir()) == []


def test_all_of_it_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    figures = Figures(None, "bench.some", cores=2)
    figures.put(rows=[1])
    figures.show()
    shown = json.loads(capsys.readouterr().out)
    assert (shown["cores"], shown["rows"]) == (2, [1])
