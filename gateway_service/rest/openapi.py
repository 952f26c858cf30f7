"""Writes docs/openapi.json: `python -m gateway_service.rest.openapi [path]`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Final

from gateway_service.rest.web import description

DEFAULT: Final = Path("docs/openapi.json")


def text() -> str:
    """The document as it is written."""
    return json.dumps(description(), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else DEFAULT
    path.write_text(text(), encoding="utf-8")
    sys.stdout.write(f"{path}\n")
