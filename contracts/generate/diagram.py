"""The service diagram: who speaks to whom over which channels, as Mermaid, between two marks of README.md.

Where all three workers stand on one side of a channel, the arrow touches the box around them, and those
who read the whole record do so from the stream: else the arrows would hide the picture.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from contracts.channel import Channel, Plane
from contracts.channels import CHANNELS, RECORD_READERS
from contracts.errors import ContractError
from contracts.streams import CALLS

BEGIN: Final = "<!-- diagram:begin -->"
END: Final = "<!-- diagram:end -->"

_WORKERS: Final = ("stt", "llm", "tts")
_ARROWS: Final = {Plane.AUDIO: "==>", Plane.RECORD: "-->", Plane.LIVE: "-->"}
_ASKED: Final = "-.->"
_HEAD: Final = ("flowchart LR", "    caller([caller])", "    subgraph workers [ ]")
_LEGEND: Final = "Thick: audio. Solid: call events. Dotted: requests, commands, load and configuration."


def diagram(rows: Iterable[Channel[Any]] = CHANNELS) -> str:
    """The Mermaid text, without its fence."""
    edges: dict[tuple[str, str, str], list[str]] = {}
    for row in rows:
        for edge in _edges(row):
            edges.setdefault(edge, []).append(row.name)
    lines = [*_HEAD, *(f"        {worker}" for worker in _WORKERS), "    end"]
    lines += [f"    stream[(stream {CALLS.name})]", "    caller <==> gateway"]
    lines += [
        f"    {sender} {arrow}|{'<br>'.join(names)}| {receiver}"
        for (sender, arrow, receiver), names in edges.items()
    ]
    recorded = dict.fromkeys(
        sender for row in rows if row.plane is Plane.RECORD for sender in _boxed(row.producers)
    )
    lines += [f"    {sender} -->|every call event| stream" for sender in _without_boxed(recorded)]
    lines += [f"    stream --> {reader}" for reader in RECORD_READERS]
    return "\n".join(lines) + "\n"


def with_diagram(text: str, rows: Iterable[Channel[Any]] = CHANNELS) -> str:
    """`text` with the diagram between its marks; raises ContractError where the marks are missing."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ContractError(f"README.md has no {BEGIN} … {END}", mend="put both where the diagram belongs")
    return f"{before}{BEGIN}\n```mermaid\n{diagram(tuple(rows))}```\n\n{_LEGEND}\n{END}{after}"


def _edges(row: Channel[Any]) -> Iterator[tuple[str, str, str]]:
    heard = row.consumers
    if row.plane is Plane.RECORD:
        heard = tuple(one for one in heard if one not in RECORD_READERS)
    for sender in _boxed(row.producers):
        for receiver in _boxed(heard):
            if sender != receiver:
                yield sender, _ARROWS.get(row.plane, _ASKED), receiver


def _boxed(services: Iterable[str]) -> tuple[str, ...]:
    names = tuple(services)
    if not set(_WORKERS) <= set(names):
        return names
    return (*(name for name in names if name not in _WORKERS), "workers")


def _without_boxed(names: Iterable[str]) -> tuple[str, ...]:
    names = tuple(names)
    return tuple(name for name in names if not ("workers" in names and name in _WORKERS))
