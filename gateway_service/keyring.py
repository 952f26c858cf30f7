"""Keys that sign tokens: the newest signs, every one of them verifies, so that a key can be rotated.

A keyring is lines (or comma-separated parts) of `id:base64 of 32 bytes`, the newest first. To rotate, put a
new line on top and restart; the old line may go once the last token that it signed has expired.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from contracts.errors import ErrorCode, TrunklineError

_KEY_BYTES: Final = 32
_KEY_ID: Final = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9._-]{0,62}")


class BadKeyring(TrunklineError):
    """The keys that sign tokens are missing or malformed."""

    code = ErrorCode.BAD_CONFIGURATION


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
            keys[name] = _decoded(name, encoded)
        if not keys:
            raise BadKeyring("the keyring holds no key", mend="write one as id:base64 of 32 random bytes")
        return cls(keys)

    @property
    def newest(self) -> str:
        """The id of the key that signs."""
        return next(iter(self.keys))


def keyring_file(path: Path) -> Keyring:
    """The keyring in a file that only its owner can read, made with a first key when missing.

    Raises BadKeyring for one that cannot be read or written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        first = f"first:{base64.urlsafe_b64encode(secrets.token_bytes(_KEY_BYTES)).decode()}"
        try:
            descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        except FileExistsError:
            return Keyring.parse(path.read_text(encoding="utf-8"))
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(f"{first}\n")
        return Keyring.parse(first)
    except (OSError, UnicodeDecodeError) as error:
        raise BadKeyring(f"keyring {path}: {error}", mend="name another file, or mend this one") from error


def _decoded(name: str, encoded: str) -> bytes:
    try:
        key = base64.b64decode(encoded, altchars=b"-_", validate=True)
    except (ValueError, binascii.Error):
        key = b""
    if len(key) != _KEY_BYTES:
        raise BadKeyring(f"key {name!r} is not {_KEY_BYTES} bytes in base64", mend="make it anew")
    return key
