"""Which processes of this machine dropped audio frames, and why, as each says of itself on its health port.

Asked before a run and after it: to answer costs a process more than to be looked at from outside.
"""

from __future__ import annotations

import asyncio
import re
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Mapping
from typing import Final

from contracts.telemetry import FRAMES_DROPPED
from trunkline.ports import LOOPBACK
from trunkline.reports.report import Dropped

_WITHIN_S: Final = 3.0
_LINE: Final = re.compile(rf"^trunkline_{FRAMES_DROPPED.name}_total\{{(.*)\}} (\S+)$", re.MULTILINE)
_WHY: Final = re.compile(r'\bwhy="([^"]*)"')

Drops = Counter[tuple[str, str]]
"""Frames by process and reason."""


async def read_drops(health_ports: Mapping[str, int]) -> Drops:
    """What each process has dropped since it began; nothing of one that does not answer."""
    pages = await asyncio.gather(*(asyncio.to_thread(_page, port) for port in health_ports.values()))
    found: Drops = Counter()
    for process, page in zip(health_ports, pages, strict=True):
        for why, frames in drops_in(page).items():
            found[process, why] += frames
    return found


def drops_in(page: str) -> Counter[str]:
    """The frames on a page of metrics, by reason."""
    found: Counter[str] = Counter()
    for labels, value in _LINE.findall(page):
        why = _WHY.search(labels)
        found[why[1] if why else ""] += int(float(value))
    return found


def during(before: Drops, after: Drops) -> tuple[Dropped, ...]:
    """What was dropped between the two. A process that began anew meanwhile counts from its beginning."""
    found = []
    for (process, why), frames in sorted(after.items()):
        earlier = before[process, why]
        more = frames - earlier if frames >= earlier else frames
        if more:
            found.append(Dropped(process=process, why=why, frames=more))
    return tuple(found)


def _page(port: int) -> str:
    try:
        with urllib.request.urlopen(f"http://{LOOPBACK}:{port}/metrics", timeout=_WITHIN_S) as answer:
            return str(answer.read().decode())
    except (OSError, urllib.error.URLError):
        return ""
