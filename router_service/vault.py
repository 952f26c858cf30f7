"""Seals secrets at rest: AES-256-GCM under the newest key of a keyring, opened with whichever sealed them.

To rotate, put a new line on top of the keyring: new secrets use it at once, old ones are sealed anew at the
next start, and the old line may go after that.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from router_service.errors import Unsealable
from runtime.keyring import Keyring

_NONCE_BYTES: Final = 12


class Vault:
    """Seals and opens. What is sealed for one purpose (`bound_to`) cannot be opened for another."""

    def __init__(self, keyring: Keyring, entropy: Callable[[int], bytes] = secrets.token_bytes) -> None:
        self._keyring = keyring
        self._entropy = entropy

    @property
    def newest(self) -> str:
        """The id of the key that seals now."""
        return self._keyring.newest

    def seal(self, plain: bytes, *, bound_to: str) -> bytes:
        """Nonce and ciphertext, under the newest key."""
        nonce = self._entropy(_NONCE_BYTES)
        return nonce + AESGCM(self._key(self.newest)).encrypt(nonce, plain, bound_to.encode())

    def open(self, sealed: bytes, *, key_id: str, bound_to: str) -> bytes:
        """What was sealed; raises Unsealable for a key that is gone or bytes that were tampered with."""
        nonce, ciphertext = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
        try:
            return AESGCM(self._key(key_id)).decrypt(nonce, ciphertext, bound_to.encode())
        except InvalidTag as error:
            raise Unsealable(
                f"{bound_to} was not sealed with key {key_id!r} as it is", mend="store it anew"
            ) from error

    def mark(self, data: bytes, *, key_id: str) -> str:
        """A keyed hash: equal for equal data, and of no help to one who guesses at the data."""
        return hmac.new(self._key(key_id), data, hashlib.sha256).hexdigest()

    def _key(self, key_id: str) -> bytes:
        try:
            return self._keyring.keys[key_id]
        except KeyError:
            raise Unsealable(f"the keyring has no key {key_id!r}", mend="put the old line back") from None
