"""What figures must be read beside: the machine, how busy it is, and what our processes take of it."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

_PROC: Final = Path("/proc")
_KIB: Final = 1024


def describe_machine() -> dict[str, Any]:
    """Cores, memory, load average over 1, 5 and 15 minutes, Python and system."""
    return {
        "cores": os.cpu_count(),
        "memory_gb": round(total_memory_bytes() / 1e9, 1),
        "load_average": [round(load, 2) for load in os.getloadavg()],
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
    }


def total_memory_bytes() -> int:
    """The machine's memory."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def memory_mb(pids: Mapping[str, int]) -> dict[str, float]:
    """The resident memory of each process and of all that it started, in MB; what is gone is left out."""
    resident = _resident_bytes()
    children: dict[int, list[int]] = {}
    for pid, (parent, _) in resident.items():
        children.setdefault(parent, []).append(pid)
    return {
        name: round(sum(resident[one][1] for one in _family(pid, children)) / 1e6, 1)
        for name, pid in pids.items()
        if pid in resident
    }


def _family(pid: int, children: Mapping[int, Iterable[int]]) -> list[int]:
    return [pid, *(one for child in children.get(pid, ()) for one in _family(child, children))]


def _resident_bytes() -> dict[int, tuple[int, int]]:
    """Of every process that can be seen: its parent and its resident memory."""
    if (_PROC / "self" / "status").exists():
        found = (_of_proc(folder) for folder in _PROC.iterdir() if folder.name.isdigit())
        return {pid: facts for pid, facts in found if facts is not None}
    command = shutil.which("ps")
    if command is None:
        return {}
    listing = subprocess.run(
        [command, "-axo", "pid=,ppid=,rss="], capture_output=True, text=True, check=False
    )
    rows = [line.split() for line in listing.stdout.splitlines()]
    return {int(pid): (int(parent), int(kib) * _KIB) for pid, parent, kib in rows}


def _of_proc(folder: Path) -> tuple[int, tuple[int, int] | None]:
    pid = int(folder.name)
    try:
        fields = dict(
            line.split(":", 1) for line in (folder / "status").read_text(encoding="utf-8").splitlines()
        )
    except OSError:  # it ended while we looked
        return pid, None
    resident_kib = int(fields.get("VmRSS", "0 kB").split()[0])
    return pid, (int(fields["PPid"]), resident_kib * _KIB)
