from __future__ import annotations

import resource

import pytest

from trunkline.errors import BadOption
from trunkline.open_files import require_files


def test_what_the_system_allows_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: (256, 1_000))
    monkeypatch.setattr(resource, "setrlimit", lambda _, limits: taken.append(limits))
    require_files(100)
    assert not taken
    require_files(900)
    assert taken == [(1_000, 1_000)]


def test_more_than_that_is_refused_with_the_mend(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (256, 1_000))
    with pytest.raises(BadOption, match="901 calls need 1001 open files, 1000 are allowed") as refused:
        require_files(901)
    assert "ulimit" in str(refused.value)
