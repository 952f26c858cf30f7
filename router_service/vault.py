"""Seals secrets at rest: AES-256-GCM under the newest key of a keyring, opened with whichever sealed them.

A keyring is lines (or comma-separated parts) of `id:base64 of 32 bytes`, the newest first. To rotate, put a
new line on top: new secrets use it at once, old ones are sealed anew at the next start, and the old line may
go after that.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from router_service.errors import BadKeyring, Unsealable

_NONCE_BYTES: Final = 12
_KEY_BYTES: Final = 32
_KEY_ID: Final = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9._-]{0,62}")


@dataclass(frozen=True, slots=True)
class Keyring:
    """Keys by id, the newest first."""

    keys: dict[str, bytes] = field(repr=False)

    @classmethod
    def parse(cls, text: str) -> Keyring:
        """From its text; raises BadKeyring, which never quotes a key."""
        keys: dict[str, bytes] = {}
        for at, line in enumerate(filter(None, map(str.strip, re.split(r"[\n,]", text))), start=1):
            name, _, encoded = line.partition(":")
            if _KEY_ID.fullmatch(name) is None or name in keys:
                raise BadKeyring(
                    f"key {at} of the keyring has no id of its own", mend="write it as id:base64"
                )
            try:
                key = base64.b64decode(encoded, altchars=b"-_", validate=True)
            except (ValueError, binascii.Error):
                key = b""
            if len(key) != _KEY_BYTES:
                raise BadKeyring(f"key {name!r} is not {_KEY_BYTES} bytes in base64", mend="make it anew")
            keys[name] = key
        if not keys:
            raise BadKeyring("the keyring holds no key", mend="write one as id:base64 of 32 random bytes")
        return cls(keys)

    @property
    def newest(self) -> str:
        """The id of the key that seals."""
        return next(iter(self.keys))


def keyring_file(path: Path) -> Keyring:
    """The keyring in a file that only its owner can read, made with a first key when missing.

    Raises BadKeyring for one that cannot be read or written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        first = base64.urlsafe_b64encode(secrets.token_bytes(_KEY_BYTES)).decode()
        try:
            descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        except FileExistsError:
            return Keyring.parse(path.read_text(encoding="utf-8"))
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(f"first:{first}\n")
        return Keyring.parse(f"first:{first}")
    except (OSError, UnicodeDecodeError) as error:
        raise BadKeyring(f"keyring {path}: {error}", mend="set TRUNKLINE_ROUTER_KEYRING_FILE") from error


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
