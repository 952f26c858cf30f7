import json
from pathlib import Path

import pytest

from contracts.generate.command import main
from contracts.generate.diagram import BEGIN, END
from contracts.releases import FOLDER, Release

README = f"# Title\n{BEGIN}\n{END}\n"
GENERATED = ["docs/channels.md", "docs/permissions.md", "docs/asyncapi.yaml", "README.md"]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "pyproject.toml").write_text('[project]\nversion = "4.5.6"\n')
    (tmp_path / "README.md").write_text(README)
    return tmp_path


def test_what_was_written_is_up_to_date(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--root", str(root)]) == 0
    assert capsys.readouterr().out == "".join(f"{name} written\n" for name in GENERATED)

    assert main(["--root", str(root), "--check"]) == 0
    assert main(["--root", str(root)]) == 0
    assert capsys.readouterr() == ("", "")


def test_the_version_is_the_project_s(root: Path) -> None:
    main(["--root", str(root)])

    assert "version: 4.5.6" in (root / "docs/asyncapi.yaml").read_text()


@pytest.mark.parametrize("name", GENERATED)
def test_a_stale_file_is_named_and_not_touched(
    root: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["--root", str(root)])
    text = (root / name).read_text()
    changed = text.replace("session.open", "session.shut")
    (root / name).write_text(changed)
    capsys.readouterr()

    assert main(["--root", str(root), "--check"]) == 1
    assert capsys.readouterr().err == f"{name} is stale or missing (run python -m contracts.generate)\n"
    assert (root / name).read_text() == changed

    assert main(["--root", str(root)]) == 0
    assert (root / name).read_text() == text


def test_missing_files_are_named(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "README.md").unlink()

    assert main(["--root", str(root), "--check"]) == 1
    assert [line.split()[0] for line in capsys.readouterr().err.splitlines()] == GENERATED
    assert not (root / "docs").exists()


def test_without_a_readme_the_rest_is_written(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "README.md").unlink()

    assert main(["--root", str(root)]) == 0
    assert "README.md is not there: its diagram was not written" in capsys.readouterr().out
    assert (root / "docs/channels.md").exists()
    assert not (root / "README.md").exists()


def test_a_readme_without_marks_is_an_error_that_says_so(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (root / "README.md").write_text("# Title\n")

    assert main(["--root", str(root)]) == 1
    assert "diagram:begin" in capsys.readouterr().err


def test_elsewhere_than_in_a_repository_it_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--root", str(tmp_path)]) == 1
    assert "is not the repository" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_release_is_written_once(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = root / FOLDER / "0.1.0.json"

    assert main(["--root", str(root), "--release", "0.1.0"]) == 0
    written = path.read_text()
    assert Release.model_validate_json(written) == Release.of("0.1.0")

    path.write_text(written + " ")
    assert main(["--root", str(root), "--release", "0.1.0"]) == 1
    assert "0.1.0.json is released" in capsys.readouterr().err
    assert path.read_text() == written + " "


def test_a_release_that_breaks_an_older_one_is_refused(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["--root", str(root), "--release", "0.1.0"])
    path = root / FOLDER / "0.1.0.json"
    older = json.loads(path.read_text())
    older["channels"]["telegraph"] = older["channels"]["hangup"]
    path.write_text(json.dumps(older))

    assert main(["--root", str(root), "--release", "0.2.0"]) == 1
    assert "0.1.0: telegraph: the channel was removed" in capsys.readouterr().err
    assert not (root / FOLDER / "0.2.0.json").exists()


def test_a_release_needs_a_version(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--root", str(root), "--release", "next"]) == 1
    assert "'next' is not a release" in capsys.readouterr().err
