import base64
import stat
import threading
from pathlib import Path

import pytest

from runtime.errors import BadKeyring
from runtime.keyring import Keyring, keyring_file


def line(name: str, byte: int) -> str:
    return f"{name}:{base64.b64encode(bytes([byte]) * 32).decode()}"


OLD, NEW = line("old", 1), line("new", 2)


@pytest.mark.parametrize("text", [f"{NEW}\n{OLD}\n", f"{NEW}, {OLD}"])
def test_the_newest_key_stands_first(text: str) -> None:
    ring = Keyring.parse(text)

    assert ring.newest == "new"
    assert ring.keys == {"new": b"\x02" * 32, "old": b"\x01" * 32}


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "no key"),
        ("\n ,\n", "holds no key"),
        ("a b:AAAA", "key 1 of the keyring"),
        ("odd:???", "key 'odd' is not 32 bytes"),
        ("justtext", "is not 32 bytes"),
        (":AAAA", "key 1 of the keyring has no id"),
        (f"{OLD}\n{OLD}", "key 2 of the keyring has no id of its own"),
        (f"{OLD}\n{'x' * 33}:AAAA", "key 2 of the keyring has no id"),
        ("short:c2VjcmV0", "'short' is not 32 bytes"),
    ],
)
def test_a_keyring_that_cannot_be_used_is_explained_without_its_keys(text: str, fault: str) -> None:
    with pytest.raises(BadKeyring, match=fault) as caught:
        Keyring.parse(text)
    assert "c2VjcmV0" not in str(caught.value)
    assert "AAAA" not in str(caught.value)


def test_a_keyring_shows_no_keys() -> None:
    assert repr(Keyring.parse(OLD)) == "Keyring()"


def test_the_first_start_makes_a_file_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "home" / "gateway" / "token-keyring"

    made = keyring_file(path)

    assert keyring_file(path) == made
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [one.name for one in path.parent.iterdir()] == ["token-keyring"]


def test_processes_that_start_at_once_have_one_keyring(tmp_path: Path) -> None:
    path = tmp_path / "token-keyring"
    barrier = threading.Barrier(8)

    def all_at_once(size: int) -> bytes:
        """Nobody names his file before everybody has seen that there is none."""
        barrier.wait(5)
        return bytes([threading.get_ident() % 256]) * size

    found: list[Keyring] = []
    starts = [
        threading.Thread(target=lambda: found.append(keyring_file(path, all_at_once))) for _ in range(8)
    ]
    for start in starts:
        start.start()
    for start in starts:
        start.join()

    assert len(found) == 8
    assert all(one == found[0] for one in found)
    assert [one.name for one in path.parent.iterdir()] == ["token-keyring"]


def test_a_file_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadKeyring, match=f"{tmp_path}.*name another file"):
        keyring_file(tmp_path)
