"""Finds subjects written outside this package: a service that spells one out no longer follows the table.

It reads the source, not the running program: plain strings, f-strings, formats and `".".join(…)`. Docstrings
may name subjects. Two plain words, such as the event name `call.started`, are no subject.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from contracts.channels import CHANNELS

_HOLE: Final = "{}"


class Stray(NamedTuple):
    """A subject in a source text, at its line."""

    line: int
    text: str


def _roots() -> dict[str, int]:
    """First tokens of all subjects, with the number of plain words from which it is no longer prose."""
    lengths: dict[str, int] = {}
    for row in CHANNELS:
        tokens = row.pattern.split(".")
        lengths[tokens[0]] = min(lengths.get(tokens[0], 4), len(tokens))
    return lengths


ROOTS: Final = _roots()
_CANDIDATE: Final = re.compile(rf"(?<![\w.$-])({'|'.join(map(re.escape, ROOTS))})\.([\w.*>{{}}%$-]*)")


def stray_subjects(source: str) -> list[Stray]:
    """Every subject that a Python source text writes out, in the order of its lines."""
    tree = ast.parse(source)
    found = [Stray(line, text) for line, text in _texts(tree) if _is_subject(text)]
    return sorted(found)


def _is_subject(text: str) -> bool:
    return any(
        _reads_as_subject(match[1], match[2].rstrip("."), match[0] == text)
        for match in _CANDIDATE.finditer(text)
    )


def _reads_as_subject(root: str, rest: str, alone: bool) -> bool:
    """Whether `root.rest` is one; `alone`: nothing else stands in the string, as in `"call." + tenant`."""
    tokens = rest.split(".") if rest else []
    if any(token in ("*", ">") for token in tokens):
        return True
    if any("{" in token or "%" in token for token in tokens):
        return alone or len(tokens) > 1
    return (alone and not tokens) or len(tokens) + 1 >= ROOTS[root]


def _texts(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Each string as written, with `{}` for what is filled in; bare strings are documentation."""
    documentation = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    pieces = {
        id(piece) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for piece in node.values
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield node.lineno, "".join(_plain(part) for part in node.values)
        elif isinstance(node, ast.Constant) and id(node) not in documentation | pieces:
            yield node.lineno, _plain(node)
        elif isinstance(node, ast.Call):
            yield from _joined(node)


def _joined(call: ast.Call) -> Iterator[tuple[int, str]]:
    """`".".join(["call", tenant, …])` as `call.{}.…`."""
    match call:
        case ast.Call(
            func=ast.Attribute(value=ast.Constant(value="."), attr="join"),
            args=[ast.List(elts=parts) | ast.Tuple(elts=parts)],
        ):
            yield call.lineno, ".".join(map(_plain, parts))


def _plain(node: ast.AST) -> str:
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.Constant(value=bytes(data)):
            return data.decode("latin-1")
        case ast.Constant():
            return ""
        case _:
            return _HOLE
