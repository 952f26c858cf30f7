"""What breaks those who still speak an older release: today's channels and models held against a snapshot.

Allowed: a new channel, a new message, a new field with a default, a new enum value, a wider bound.
Anything else needs a new field or a new message beside the old one.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any, Final

from pydantic import JsonValue, ValidationError

from contracts.channel import Channel, Plane
from contracts.channels import CHANNELS
from contracts.errors import ContractError
from contracts.frames import decode_frame
from contracts.messages.base import Message
from contracts.releases import Release, ReleasedExample, frame_fields
from contracts.schemas import FieldShape, Schema, fields_of, schemas_of
from contracts.wire import wire_model

Fields = dict[str, FieldShape]

_LOWER: Final = ("minimum", "exclusiveMinimum", "minLength", "minItems")
_UPPER: Final = ("maximum", "exclusiveMaximum", "maxLength", "maxItems")


def breaking_changes(released: Release, current: Iterable[Channel[Any]] = CHANNELS) -> list[str]:
    """One sentence for each thing that was released and no longer holds; empty if nothing breaks."""
    rows = {row.name: row for row in current}
    return [*_channel_changes(released, rows), *_example_changes(released, rows)]


def _channel_changes(released: Release, rows: dict[str, Channel[Any]]) -> Iterator[str]:
    for name, old in released.channels.items():
        row = rows.get(name)
        if row is None:
            yield f"{name}: the channel was removed"
            continue
        if row.pattern != old.subject:
            yield f"{name}: the subject {old.subject} became {row.pattern}"
        if row.plane.name != old.plane:
            yield f"{name}: the plane {old.plane} became {row.plane.name}"
        message = None if row.plane is Plane.AUDIO else wire_model(row)
        yield from _message_changes(name, old.message, message, released.schemas)
        yield from _message_changes(f"{name} reply", old.reply, row.reply, released.schemas)


def _message_changes(
    where: str, old: str | None, new: type[Message] | None, schemas: dict[str, Schema]
) -> Iterator[str]:
    if old is None:
        return
    if new is None:
        yield f"{where}: {old} is no longer sent"
        return
    today = schemas_of([new])
    for change in _field_changes(fields_of(old, schemas), fields_of(new.__name__, today)):
        yield f"{where}: {change}"


def _field_changes(old: Fields, new: Fields) -> Iterator[str]:
    gone: list[str] = []
    for path, was in old.items():
        if _within(path, gone):
            continue
        now = new.get(path)
        if now is None:
            gone.append(path)
            yield f"field {path} was removed"
        elif now.type != was.type:
            gone.append(path)
            yield f"field {path} was retyped from {was.type} to {now.type}"
        else:
            yield from (f"field {path} {change}" for change in _shape_changes(was, now))
    for path, now in new.items():
        if path not in old and now.required and _parent(path) in old and not _within(path, gone):
            yield f"field {path} is new and required"


def _shape_changes(was: FieldShape, now: FieldShape) -> Iterator[str]:
    if now.required and not was.required:
        yield "became required"
    if now.values is not None:
        if was.values is None:
            yield f"is now one of {', '.join(now.values)}"
        for value in was.values or ():
            if value not in now.values:
                yield f"no longer allows {value}"
    for bound, limit in now.bounds.items():
        before = was.bounds.get(bound)
        if before is None or (bound in _LOWER and limit > before) or (bound in _UPPER and limit < before):
            yield f"has a tighter {bound}: {before} became {limit}"
        elif bound not in _LOWER and bound not in _UPPER and limit != before:
            yield f"has another {bound}: {before} became {limit}"


def _within(path: str, parents: list[str]) -> bool:
    return any(
        path.startswith((f"{parent}.", f"{parent}[", f"{parent}{{", f"{parent}<")) for parent in parents
    )


def _parent(path: str) -> str:
    return path.rpartition(".")[0]


def _example_changes(released: Release, rows: dict[str, Channel[Any]]) -> Iterator[str]:
    for name, example in released.examples.items():
        row = rows.get(example.channel)
        if row is None:
            continue
        try:
            yield from (f"example {name}: {change}" for change in _decoded_changes(example, row))
        except (ValidationError, ContractError) as error:
            yield f"example {name}: no longer decodes: {' '.join(str(error).split())}"


def _decoded_changes(example: ReleasedExample, row: Channel[Any]) -> Iterator[str]:
    if example.frame_hex is not None:
        decoded: JsonValue = dict(frame_fields(decode_frame(bytes.fromhex(example.frame_hex))))
        return _lost("", dict(example.frame or {}), decoded)
    model = row.reply if example.answer else wire_model(row)
    if model is None:
        return iter((f"{row.name} is no longer answered",))
    message = model.model_validate_json(json.dumps(example.body))
    return _lost("", example.body, message.model_dump(mode="json"))


def _lost(path: str, old: JsonValue, new: JsonValue) -> Iterator[str]:
    """Where `new` lacks what `old` said; what it says beyond is welcome."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key, value in old.items():
            here = f"{path}.{key}".removeprefix(".")
            if key in new:
                yield from _lost(here, value, new[key])
            else:
                yield f"{here} is lost"
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for at, (before, after) in enumerate(zip(old, new, strict=True)):
            yield from _lost(f"{path}[{at}]", before, after)
    elif old != new:
        yield f"{path} was {json.dumps(old)} and is read as {json.dumps(new)}"
