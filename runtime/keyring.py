"""Keys that sign or seal: the newest does, every one verifies or opens, so that a key can be rotated.

A keyring is lines (or comma-separated parts) of `id:base64 of 32 bytes`, the newest first.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
import secrets
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from runtime.errors import BadKeyring

_KEY_BYTES: Final = 32
_KEY_ID: Final = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9._-]{0,31}")


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
            keys[name] = _key(name, encoded)
        if not keys:
            raise BadKeyring("the keyring holds no key", mend="write one as id:base64 of 32 random bytes")
        return cls(keys)

    @property
    def newest(self) -> str:
        """The id of the key that signs or seals."""
        return next(iter(self.keys))


def _key(name: str, encoded: str) -> bytes:
    try:
        key = base64.b64decode(encoded, altchars=b"-_", validate=True)
    except (ValueError, binascii.Error):
        key = b""
    if len(key) != _KEY_BYTES:
        raise BadKeyring(f"key {name!r} is not {_KEY_BYTES} bytes in base64", mend="make it anew")
    return key


def keyring_file(path: Path, entropy: Callable[[int], bytes] = secrets.token_bytes) -> Keyring:
    """The keyring in a file that only its owner can read, made with a first key when missing.

    Whoever of several processes comes first makes it, whole before it has its name; the others read it.
    Raises BadKeyring for one that cannot be read or written.
    """
    try:
        if not path.exists():
            _make(path, f"first:{base64.urlsafe_b64encode(entropy(_KEY_BYTES)).decode()}\n")
        return Keyring.parse(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise BadKeyring(f"keyring {path}: {error}", mend="mend it, or name another file") from error


def _make(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    with os.fdopen(
        os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w", encoding="utf-8"
    ) as file:
        file.write(text)
    try:
        with suppress(FileExistsError):  # another process was first
            os.link(draft, path)
    finally:
        draft.unlink()
