"""A report of either kind, from its file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from trunkline.errors import BadOption
from trunkline.load import report as load
from trunkline.replaying import report as replaying
from trunkline.reports.report import RunReport

_KINDS: Final[dict[str, type[RunReport]]] = {
    load.KIND: load.LoadReport,
    replaying.KIND: replaying.ReplayReport,
}


def read_report(path: Path) -> RunReport:
    """The report at `path`; raises BadOption when there is none."""
    mend = "name the JSON that trunkline load or trunkline replay wrote"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadOption(f"{path} cannot be read: {error.strerror}", mend="name a report's JSON") from error
    except ValueError as error:
        raise BadOption(f"{path} is no report: {error}", mend=mend) from error
    kind = content.get("kind") if isinstance(content, dict) else None
    if kind not in _KINDS:
        raise BadOption(f"{path} is no report of a run: its kind is {kind!r}", mend=mend)
    try:
        return _KINDS[kind].model_validate(content)
    except ValidationError as error:
        raise BadOption(
            f"{path} is no report of {kind}: {error.error_count()} of its fields are wrong or missing",
            mend=mend,
        ) from error
