"""No subject is written outside contracts/."""

import tomllib
from pathlib import Path

import pytest

from contracts.strays import stray_subjects

ROOT = Path(__file__).parents[2]


def packages() -> list[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    found: list[str] = project["tool"]["setuptools"]["packages"]["find"]["include"]
    return [*(pattern.removesuffix("*") for pattern in found), "bench"]


def test_every_package_of_the_project_is_looked_at() -> None:
    with_code = {path.parent.name for path in ROOT.glob("*/__init__.py") if path.parent.name != "tests"}

    assert with_code <= set(packages())


@pytest.mark.parametrize("package", [name for name in packages() if name != "contracts"])
def test_no_subject_is_written_outside_the_contracts(package: str) -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line}: {text}"
        for path in sorted((ROOT / package).rglob("*.py"))
        for line, text in stray_subjects(path.read_text(encoding="utf-8"))
    ]

    assert found == [], "use a channel of contracts/channels.py"
