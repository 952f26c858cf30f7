"""What a figure must be read beside: the machine, its load, the moment, the code."""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import UTC, datetime


def describe_machine() -> dict[str, object]:
    """Cores, load average over 1, 5 and 15 minutes, Python, the commit and the time."""
    git = ["/usr/bin/env", "git", "rev-parse", "--short", "HEAD"]
    commit = subprocess.run(git, capture_output=True, text=True, check=False)
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": commit.stdout.strip(),
        "cores": os.cpu_count(),
        "load_average": [round(load, 2) for load in os.getloadavg()],
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
    }
