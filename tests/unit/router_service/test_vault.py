import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router_service.errors import Unsealable
from router_service.vault import Vault
from runtime.keyring import Keyring


def line(name: str, byte: int) -> str:
    return f"{name}:{base64.b64encode(bytes([byte]) * 32).decode()}"


OLD, NEW = line("old", 1), line("new", 2)


@given(st.binary(max_size=200), st.text(max_size=20))
def test_what_is_sealed_opens(plain: bytes, purpose: str) -> None:
    vault = Vault(Keyring.parse(OLD))

    sealed = vault.seal(plain, bound_to=purpose)

    assert vault.open(sealed, key_id="old", bound_to=purpose) == plain
    assert len(sealed) == len(plain) + 12 + 16


def test_the_same_secret_is_never_sealed_the_same() -> None:
    vault = Vault(Keyring.parse(OLD))

    assert vault.seal(b"secret", bound_to="a") != vault.seal(b"secret", bound_to="a")


def test_what_was_moved_or_changed_does_not_open() -> None:
    vault = Vault(Keyring.parse(OLD))
    sealed = vault.seal(b"secret", bound_to="acme")

    with pytest.raises(Unsealable, match="other was not sealed with key 'old'"):
        vault.open(sealed, key_id="old", bound_to="other")
    for at in range(len(sealed)):
        with pytest.raises(Unsealable):
            vault.open(
                sealed[:at] + bytes([sealed[at] ^ 1]) + sealed[at + 1 :], key_id="old", bound_to="acme"
            )


def test_a_key_ring_turns() -> None:
    sealed = Vault(Keyring.parse(OLD)).seal(b"secret", bound_to="a")
    turned = Vault(Keyring.parse(f"{NEW}\n{OLD}\n"))

    assert turned.newest == "new"
    assert turned.open(sealed, key_id="old", bound_to="a") == b"secret"
    with pytest.raises(Unsealable, match="no key 'old'"):
        Vault(Keyring.parse(NEW)).open(sealed, key_id="old", bound_to="a")


def test_a_mark_is_equal_for_equal_data_under_one_key() -> None:
    vault = Vault(Keyring.parse(f"{NEW},{OLD}"))

    assert vault.mark(b"a", key_id="new") == vault.mark(b"a", key_id="new")
    assert (
        len({vault.mark(b"a", key_id="new"), vault.mark(b"b", key_id="new"), vault.mark(b"a", key_id="old")})
        == 3
    )
