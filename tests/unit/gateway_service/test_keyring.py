from __future__ import annotations

import base64
import stat
from pathlib import Path

import pytest

from gateway_service.keyring import BadKeyring, Keyring, keyring_file

ONE = f"one:{base64.b64encode(bytes(32)).decode()}"
TWO = f"two:{base64.urlsafe_b64encode(bytes([255]) * 32).decode()}"


@pytest.mark.parametrize("between", ["\n", ",", " ,\n"])
def test_the_newest_key_comes_first(between: str) -> None:
    keyring = Keyring.parse(f"{TWO}{between}{ONE}")

    assert keyring.newest == "two"
    assert keyring.keys == {"two": bytes([255]) * 32, "one": bytes(32)}


@pytest.mark.parametrize(
    "text", ["", "  \n", "one", "one:AAAA", f"{ONE}\n{ONE}", "a b:AAAA", "one:\N{BULLET}"]
)
def test_a_malformed_keyring_is_refused_without_quoting_it(text: str) -> None:
    with pytest.raises(BadKeyring) as refused:
        Keyring.parse(text)
    assert "AAAA" not in str(refused.value)


def test_a_keyring_shows_no_key() -> None:
    assert "AAAA" not in repr(Keyring.parse(ONE))


def test_a_file_is_made_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "rest" / "keyring"
    made = keyring_file(path)

    assert keyring_file(path) == made
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadKeyring, match=str(tmp_path)):
        keyring_file(tmp_path)
