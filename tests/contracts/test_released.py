"""What was released still holds."""

from pathlib import Path

import pytest

from contracts.compat import breaking_changes
from contracts.releases import FOLDER, Release, read_releases

ROOT = Path(__file__).parents[2]
RELEASES = read_releases(ROOT / FOLDER)


def test_there_is_a_release_to_hold_to() -> None:
    assert RELEASES


@pytest.mark.parametrize("release", RELEASES, ids=lambda release: release.version)
def test_nothing_that_was_released_is_broken(release: Release) -> None:
    assert breaking_changes(release) == [], "add a field or a message beside what is there"


@pytest.mark.parametrize("release", RELEASES, ids=lambda release: release.version)
def test_a_release_is_in_the_file_of_its_name_and_says_something(release: Release) -> None:
    assert (ROOT / FOLDER / f"{release.version}.json").exists()
    assert release.channels
    assert {example.channel for example in release.examples.values()} == set(release.channels)
