"""What may be configured: settings by the fields of AssistantSnapshot, merged and checked. No I/O.

A setting that does not exist is an error and not ignored: `greting` would otherwise leave the old greeting in
place without a word.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Mapping
from typing import Any, Final, get_args

from pydantic import BaseModel, ValidationError

from contracts.messages import AssistantSnapshot, LatencyProfile
from contracts.streams import ASSISTANTS_BUCKET
from router_service.errors import BadConfiguration

_NOT_SET: Final = frozenset({"id"})
_ROOM_BYTES: Final = 16 * 1024
"""What a snapshot holds beside the assistant, generously."""

ENDPOINTING: Final[dict[str, dict[str, int]]] = {
    LatencyProfile.FAST: {"finished_ms": 250, "unfinished_ms": 600},
    LatencyProfile.BALANCED: {},
    LatencyProfile.PATIENT: {"finished_ms": 600, "unfinished_ms": 1200},
}
"""How long the profiles wait at the end of a turn, where the assistant does not say so itself."""


def merge(base: Mapping[str, Any], override: Mapping[str, Any]) -> dict[str, Any]:
    """JSON Merge Patch (RFC 7396): objects merge, null removes, everything else replaces."""
    merged = dict(base)
    for key, value in override.items():
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, Mapping):
            below = merged.get(key)
            merged[key] = merge(below if isinstance(below, Mapping) else {}, value)
        else:
            merged[key] = value
    return merged


def snapshot_of(
    tenant: str, assistant: str, config: Mapping[str, Any], override: Mapping[str, Any]
) -> AssistantSnapshot:
    """The assistant that a call would get; raises BadConfiguration that names the setting at fault."""
    merged = merge(config, override)
    waits = ENDPOINTING.get(str(merged.get("latency", "")), {})
    if waits and isinstance(merged.get("endpointing", {}), Mapping):
        merged["endpointing"] = {**waits, **merged.get("endpointing", {})}
    try:
        snapshot = AssistantSnapshot.model_validate({**merged, "id": assistant}, extra="forbid")
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in fault["loc"]) or "configuration"
        raise BadConfiguration(
            f"assistant {assistant} of {tenant}: {where}: {fault['msg']}",
            mend=f"correct {where} in the assistant or in the number's override",
        ) from error
    _check_size(snapshot)
    return snapshot


def check_known(settings: Mapping[str, Any], where: str) -> None:
    """Raise BadConfiguration naming the first setting that does not exist, set or removed, or holds a NUL."""
    for path, known in _unknown(settings, AssistantSnapshot, ""):
        close = difflib.get_close_matches(path.rpartition(".")[2], known, n=1)
        raise BadConfiguration(
            f"{where}: there is no setting {path!r}",
            mend=f"did you mean {close[0]!r}?" if close else f"there are: {', '.join(sorted(known))}",
        )
    try:
        text = json.dumps(settings, allow_nan=False)
    except ValueError as error:
        raise BadConfiguration(f"{where}: {error}", mend="JSON has neither NaN nor infinity") from error
    if "\\u0000" in text:
        raise BadConfiguration(f"{where}: a text holds a NUL character", mend="remove it")


def _unknown(
    settings: Mapping[str, Any], model: type[BaseModel], path: str
) -> Iterator[tuple[str, set[str]]]:
    """Path of each key that the model does not have, and the keys it has."""
    known = set(model.model_fields) - (_NOT_SET if model is AssistantSnapshot else frozenset())
    for key, value in settings.items():
        if key not in known:
            yield f"{path}{key}", known
        elif isinstance(value, Mapping):
            for below in _models(model.model_fields[key].annotation):
                yield from _unknown(value, below, f"{path}{key}.")


def _models(annotation: object) -> Iterator[type[BaseModel]]:
    """The model that a field holds directly: `Voice`, or the `Escalation` of `Escalation | None`."""
    for candidate in (annotation, *get_args(annotation)):
        if isinstance(candidate, type) and issubclass(candidate, BaseModel):
            yield candidate


def _check_size(snapshot: AssistantSnapshot) -> None:
    size, limit = len(snapshot.model_dump_json()), ASSISTANTS_BUCKET.max_value_bytes - _ROOM_BYTES
    if size > limit:
        raise BadConfiguration(
            f"assistant {snapshot.id} is {size} bytes; a call can be given {limit}",
            mend="shorten its knowledge",
        )
