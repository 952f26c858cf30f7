"""Figures on their way to a file: written as they come, so that a run that is cut off keeps what it has."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any


class Figures:
    """One JSON object in a file, replaced as a whole whenever there is more; nothing without a path."""

    def __init__(self, path: Path | None, module: str, **head: Any) -> None:
        """`module` and the arguments of this process are the command that makes the figures anew."""
        self._path = path
        self._content = {"command": " ".join(["python -m", module, *sys.argv[1:]]), **head}

    def show(self) -> None:
        """Print all of it."""
        print(json.dumps(self._content, indent=1))

    def put(self, **more: Any) -> None:
        """Write this too, in place of what has the same names."""
        self._content |= more
        if self._path is None:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        beside = self._path.with_name(f"{self._path.name}.part")
        beside.write_text(json.dumps(self._content, indent=1) + "\n", encoding="utf-8")
        beside.replace(self._path)
