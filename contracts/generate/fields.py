"""The table of a message's fields: name, type, whether it may be left out, and the rule its values keep."""

from __future__ import annotations

import json
from typing import Final

from contracts.schemas import Schema, ref_name, variants_of

_UNITS: Final = {"ms": "milliseconds", "us": "microseconds", "s": "seconds", "hz": "hertz", "bytes": "bytes"}
_LENGTHS: Final = (("minItems", "maxItems", "items"), ("minLength", "maxLength", "characters"))


def field_table(schema: Schema) -> str:
    """A Markdown table of the fields of one object, or a sentence where it has none."""
    if not schema.get("properties"):
        return "It has no fields.\n"
    lines = ["| field | type | if left out | rule |", "|---|---|---|---|"]
    for name, node in schema["properties"].items():
        absent = "required" if name in schema.get("required", ()) else _default(node)
        cells = (f"`{name}`", _type(node), absent, _rule(name, node))
        lines.append("| " + " | ".join(_cell(cell) for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def _default(node: Schema) -> str:
    return f"`{json.dumps(node['default'])}`" if "default" in node else "empty"


def _type(node: Schema) -> str:
    return " or ".join(_single_type(variant) for variant in variants_of(node))


def _single_type(node: Schema) -> str:
    name = ref_name(node)
    if name is not None:
        return "any JSON" if name == "JsonValue" else f"[{name}](#{name.lower()})"
    if "const" in node or "enum" in node:
        return " or ".join(f"`{json.dumps(value)}`" for value in node.get("enum", [node.get("const")]))
    if node.get("type") == "array":
        return f"list of {_type(node['items'])}"
    if node.get("type") == "object":
        keys = _type({"type": "string", **node.get("propertyNames", {})})
        return f"map of {keys} to {_type(_map_values(node))}"
    return str(node.get("type", "any JSON"))


def _map_values(node: Schema) -> Schema:
    schemas = [*node.get("patternProperties", {}).values(), node.get("additionalProperties")]
    return next((schema for schema in schemas if isinstance(schema, dict)), {})


def _rule(name: str, node: Schema) -> str:
    facts: list[str] = []
    for variant in (node, *variants_of(node)):
        if "description" in variant:
            facts.append(variant["description"])
        elif "pattern" in variant:
            facts.append(f"`{variant['pattern']}`")
        facts += _bounds(variant)
    if not any(word in fact for fact in facts for word in _UNITS.values()):
        unit = _UNITS.get(name.rpartition("_")[2])
        facts = [unit, *facts] if unit and "_" in name else facts
    return "; ".join(dict.fromkeys(facts))


def _bounds(node: Schema) -> list[str]:
    facts = []
    low, high = node.get("minimum"), node.get("maximum")
    if low is not None and high is not None:
        facts.append(f"{low} to {high}")
    elif low is not None:
        facts.append(f"at least {low}")
    elif high is not None:
        facts.append(f"at most {high}")
    for least, most, what in _LENGTHS:
        if least in node:
            facts.append("not empty" if node[least] == 1 else f"at least {node[least]} {what}")
        if most in node:
            facts.append(f"at most {node[most]} {what}")
    return facts


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
