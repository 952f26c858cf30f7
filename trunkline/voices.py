"""`--voice`: another text-to-speech engine for every assistant that speaks with a real one."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import yaml

VOICES: Final = ("piper", "kokoro")


def with_voice(tenants: Path, voice: str, home: Path) -> Path:
    """A copy of the tenants file, in `home`, whose assistants speak with `voice`; synthetic ones stay so.

    The file must have been read as a directory before; this asks no questions of it.
    """
    directory: dict[str, Any] = yaml.safe_load(tenants.read_text(encoding="utf-8"))
    for tenant in directory["tenants"].values():
        for assistant in tenant["assistants"].values():
            engines = assistant.setdefault("engines", {})
            if "synthetic" not in engines.get("tts", ()):
                engines["tts"] = [voice]
    copy = home / f"tenants-{voice}.yaml"
    copy.write_text(yaml.safe_dump(directory, sort_keys=False), encoding="utf-8")
    return copy
