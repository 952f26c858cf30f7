"""Recording in a flow test: a directory whose load-test tenant allows it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from tests.support.platform import tenants_file


def consenting(folder: Path, assistant: dict[str, Any] | None = None) -> Path:
    """The tenants file of `tests.support.platform`, with the synthetic number's tenant allowing recording."""
    folder.mkdir(exist_ok=True)
    path = tenants_file(folder, assistant)
    directory = yaml.safe_load(path.read_text(encoding="utf-8"))
    directory["tenants"]["load-lab"]["recording_allowed"] = True
    allowed = folder / "consenting.yaml"
    allowed.write_text(yaml.safe_dump(directory), encoding="utf-8")
    return allowed
