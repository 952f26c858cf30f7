"""What is generated from the table is up to date."""

from pathlib import Path

import pytest

from contracts.generate.command import main

ROOT = Path(__file__).parents[2]


def test_the_generated_files_are_up_to_date(capsys: pytest.CaptureFixture[str]) -> None:
    status = main(["--check", "--root", str(ROOT)])

    assert (status, capsys.readouterr().err) == (0, "")
