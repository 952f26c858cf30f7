"""Cuts an ONNX model in two, so that the second half can run on a window of what the first half made.

The `onnx` package could do this; it is 18 MB and brings a build of protobuf's runtime for a job of a few
fields. The numbers below are those of onnx.proto: a model holds its graph in field 7, a graph its nodes in 1,
its weights in 5, its inputs in 11 and its outputs in 12.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

_GRAPH: Final = 7
_NODE, _NAME, _WEIGHT, _INPUT, _OUTPUT = 1, 2, 5, 11, 12
_WEIGHT_NAME: Final = 8
_BYTES: Final = 2  # the wire type of everything that has a length
_FIXED: Final = {1: 8, 5: 4}  # wire types of fixed size
_FLOAT_TENSOR: Final = bytes((0x0A, 0x02, 0x08, 0x01))  # tensor_type { elem_type: FLOAT }


class Halves(NamedTuple):
    """Two models: what `back` takes in is what `front` gives out, under the names `between`."""

    front: bytes
    back: bytes
    between: tuple[str, ...]


class _Node(NamedTuple):
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    raw: bytes


class _Graph(NamedTuple):
    around: bytes  # every field of the model but its graph
    nodes: tuple[_Node, ...]
    weights: dict[str, bytes]
    inputs: dict[str, bytes]
    outputs: dict[str, bytes]


def cut_before(model: bytes, prefix: str) -> Halves | None:
    """Cut where tensors reach the nodes whose names begin with `prefix`; None where no node's does.

    Those tensors must hold floats. Raises ValueError for bytes that are not an ONNX model.
    """
    graph = _read(model)
    behind = [node for node in graph.nodes if node.name.startswith(prefix)]
    made_ahead = {
        tensor
        for node in graph.nodes
        if not node.name.startswith(prefix) and node.inputs
        for tensor in node.outputs
    }
    between = tuple(
        dict.fromkeys(tensor for node in behind for tensor in node.inputs if tensor in made_ahead)
    )
    if not between:
        return None
    front = _part(graph, takes=(), gives=between)
    back = _part(graph, takes=between, gives=tuple(graph.outputs))
    return Halves(front, back, between)


def _read(model: bytes) -> _Graph:
    try:
        view = memoryview(model)
        graph, around = memoryview(b""), bytearray()
        for field, value, raw in _fields(view):
            if field == _GRAPH:
                graph = value
            else:
                around += raw
        read = _Graph(bytes(around), *_read_graph(graph))
    except (IndexError, KeyError, UnicodeDecodeError) as error:
        raise ValueError("these bytes are not an ONNX model") from error
    if not read.nodes:
        raise ValueError("these bytes are not an ONNX model: they hold no graph")
    return read


def _read_graph(
    graph: memoryview,
) -> tuple[tuple[_Node, ...], dict[str, bytes], dict[str, bytes], dict[str, bytes]]:
    nodes: list[_Node] = []
    weights: dict[str, bytes] = {}
    inputs: dict[str, bytes] = {}
    outputs: dict[str, bytes] = {}
    for field, value, raw in _fields(graph):
        if field == _NODE:
            nodes.append(_read_node(value, bytes(raw)))
        elif field == _WEIGHT:
            weights[_text(value, _WEIGHT_NAME)] = bytes(raw)
        elif field == _INPUT:
            inputs[_text(value, 1)] = bytes(raw)
        elif field == _OUTPUT:
            outputs[_text(value, 1)] = bytes(raw)
    return tuple(nodes), weights, inputs, outputs


def _read_node(node: memoryview, raw: bytes) -> _Node:
    texts: dict[int, list[str]] = {1: [], 2: [], 3: [""]}  # inputs, outputs, name
    for field, value, _ in _fields(node):
        if field in texts:
            texts[field].append(str(value, "utf-8"))
    return _Node(texts[3][-1], tuple(texts[1]), tuple(texts[2]), raw)


def _text(message: memoryview, wanted: int) -> str:
    return next(str(value, "utf-8") for field, value, _ in _fields(message) if field == wanted)


def _part(graph: _Graph, takes: tuple[str, ...], gives: tuple[str, ...]) -> bytes:
    """The model that makes `gives` from `takes` and from those inputs of the whole that it still needs."""
    maker = {tensor: at for at, node in enumerate(graph.nodes) for tensor in node.outputs}
    nodes: set[int] = set()
    weights: dict[str, None] = {}
    inputs: dict[str, None] = {}
    wanted = list(gives)
    while wanted:
        tensor = wanted.pop()
        if tensor in takes:
            continue
        if tensor in graph.weights:
            weights[tensor] = None
        elif tensor in graph.inputs:
            inputs[tensor] = None
        elif tensor in maker and maker[tensor] not in nodes:
            nodes.add(maker[tensor])
            wanted += graph.nodes[maker[tensor]].inputs
    parts = [
        *(graph.nodes[at].raw for at in sorted(nodes)),
        _field(_NAME, b"part"),
        *(graph.weights[name] for name in weights),
        *(graph.inputs[name] for name in graph.inputs if name in inputs),
        *(_field(_INPUT, _float(name)) for name in takes),
        *(graph.outputs.get(name) or _field(_OUTPUT, _float(name)) for name in gives),
    ]
    return graph.around + _field(_GRAPH, b"".join(parts))


def _float(name: str) -> bytes:
    return _field(1, name.encode()) + _field(2, _FLOAT_TENSOR)


def _fields(message: memoryview) -> Iterator[tuple[int, memoryview, memoryview]]:
    """Each field of a protobuf message: its number, its value (empty for a number) and all its bytes."""
    at = 0
    while at < len(message):
        start = at
        key, at = _varint(message, at)
        value = message[:0]
        wire_type = key & 7
        if wire_type == 0:
            _, at = _varint(message, at)
        else:
            length, at = _varint(message, at) if wire_type == _BYTES else (_FIXED[wire_type], at)
            value = message[at : at + length]
            at += length
            if len(value) < length:
                raise IndexError("a field is longer than its message")
        yield key >> 3, value, message[start:at]


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


def _field(number: int, value: bytes) -> bytes:
    return b"".join((_number(number << 3 | _BYTES), _number(len(value)), value))


def _number(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)
