"""What processes use of the machine, from /proc: cheap enough to look once a second while others work.

A system without /proc has no such figures, and the report says none.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NamedTuple

_PROC: Final = Path("/proc")
_TICKS_PER_S: Final = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")


class Usage(NamedTuple):
    """CPU time since the process began, and resident memory now."""

    cpu_s: float
    memory_mb: float


def usage(pid: int) -> Usage | None:
    """Of one process and of all that it started and that still runs, None when it is gone."""
    family = [one for one in map(_own, _family(pid)) if one is not None]
    if not family:
        return None
    return Usage(sum(one.cpu_s for one in family), sum(one.memory_mb for one in family))


def usages(pids: Mapping[str, int]) -> dict[str, Usage]:
    """Of every process that still lives."""
    found = {name: usage(pid) for name, pid in pids.items()}
    return {name: one for name, one in found.items() if one is not None}


def _own(pid: int) -> Usage | None:
    try:
        stat = (_PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
        resident_pages = (_PROC / str(pid) / "statm").read_text(encoding="ascii").split()[1]
    except OSError:
        return None
    after_name = stat.rpartition(")")[2].split()
    ticks = int(after_name[11]) + int(after_name[12])
    return Usage(ticks / _TICKS_PER_S, int(resident_pages) * _PAGE_BYTES / 1e6)


def _family(pid: int) -> list[int]:
    try:
        lists = [task.read_text(encoding="ascii") for task in (_PROC / str(pid) / "task").glob("*/children")]
    except OSError:
        return [pid]
    return [pid, *(one for child in " ".join(lists).split() for one in _family(int(child)))]
