"""The messages as JSON Schema, and a schema as a flat list of fields: what documents and checks need."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final, get_args

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from contracts.messages.base import Message

Schema = dict[str, Any]
BOUNDS: Final[tuple[str, ...]] = (
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "pattern",
    "format",
    "multipleOf",
)


@dataclass(frozen=True, slots=True)
class FieldShape:
    """One field as others may rely on it: its JSON type(s), whether it must be there, what it may hold."""

    type: str
    required: bool
    values: tuple[str, ...] | None
    bounds: dict[str, Any]


def models_in(*roots: type[Message]) -> tuple[type[Message], ...]:
    """The given models and all that they are made of, each once, in the order met."""
    found: dict[type[Message], None] = {}
    for root in roots:
        _collect(root, found)
    return tuple(found)


def _collect(annotation: Any, found: dict[type[Message], None]) -> None:
    for argument in get_args(annotation):
        _collect(argument, found)
    if isinstance(annotation, type) and issubclass(annotation, Message) and annotation not in found:
        found[annotation] = None
        for field in annotation.model_fields.values():
            _collect(field.annotation, found)


def schemas_of(models: Iterable[type[Message]], prefix: str = "#/schemas/") -> dict[str, Schema]:
    """JSON Schemas by class name of the models and all that they hold; a `$ref` is `prefix` and a name."""
    inputs: list[tuple[type[BaseModel], JsonSchemaMode]] = [(model, "validation") for model in models]
    roots, merged = models_json_schema(inputs, ref_template=prefix + "{model}")
    schemas: dict[str, Schema] = merged.get("$defs", {})
    for (model, _), root in roots.items():
        # Pydantic calls an envelope `Event_TurnEnded_`; nothing but a channel refers to it.
        schemas[model.__name__] = schemas.pop(str(ref_name(root)))
    return dict(sorted(schemas.items()))


def fields_of(name: str, schemas: dict[str, Schema]) -> dict[str, FieldShape]:
    """Every field of a message by its path: `body.words_pii[].text_pii`, `workers{}`, `workers{key}`.

    The variants of a discriminated union are apart: `operation<CreateTenant>.slug`.
    """
    return dict(_walk("", schemas[name], True, schemas, (name,)))


def _walk(
    path: str, node: Schema, required: bool, schemas: dict[str, Schema], within: tuple[str, ...]
) -> Iterator[tuple[str, FieldShape]]:
    refs = tuple(name for name in map(ref_name, variants_of(node)) if name is not None)
    variants = [resolve(variant, schemas) for variant in variants_of(node)]
    yield path, _shape(variants, required)
    if any(ref in within for ref in refs) and path:
        return
    for at, variant in enumerate(variants):
        base = f"{path}<{refs[at]}>" if "discriminator" in node else path
        if base != path:
            yield base, _shape([variant], required=False)
        for part, child, needed in _children(variant):
            yield from _walk((base + part).removeprefix("."), child, needed, schemas, (*within, *refs))


def _children(node: Schema) -> Iterator[tuple[str, Schema, bool]]:
    """Path part, schema and necessity of what is directly inside an object, a list or a map."""
    for name, child in node.get("properties", {}).items():
        yield f".{name}", child, name in node.get("required", ())
    if isinstance(node.get("items"), dict):
        yield "[]", node["items"], False
    if isinstance(node.get("additionalProperties"), dict):
        yield "{}", node["additionalProperties"], False
    if "propertyNames" in node:
        yield "{key}", node["propertyNames"], False
    for pattern, child in node.get("patternProperties", {}).items():
        yield "{}", child, False
        yield "{key}", {"type": "string", "pattern": pattern}, False


def _shape(variants: list[Schema], required: bool) -> FieldShape:
    types = sorted({str(variant.get("type", "any")) for variant in variants})
    closed = [value for variant in variants for value in _values(variant)]
    bounds = {key: variant[key] for variant in variants for key in BOUNDS if key in variant}
    return FieldShape("|".join(types), required, tuple(closed) or None, bounds)


def _values(node: Schema) -> list[str]:
    allowed = node.get("enum", [node["const"]] if "const" in node else [])
    return [json.dumps(value) for value in allowed]


def variants_of(node: Schema) -> list[Schema]:
    """The alternatives of a schema; the schema itself where there are none."""
    alternatives: list[Schema] = node.get("anyOf") or node.get("oneOf") or [node]
    return alternatives


def ref_name(node: Schema) -> str | None:
    """The name that a `$ref` points to."""
    ref = node.get("$ref")
    return str(ref).rsplit("/", 1)[1] if ref else None


def resolve(node: Schema, schemas: dict[str, Schema]) -> Schema:
    """The schema itself, or what its `$ref` points to with what stands beside it."""
    name = ref_name(node)
    return {**schemas[name], **node} if name else node
