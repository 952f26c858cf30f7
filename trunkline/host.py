"""Several services in one process: `python -m trunkline.host router session llm`.

The light ones share a process on one machine, which saves 60 MB and a second of imports for each; what they
say to each other still goes over the bus.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any, Final

from runtime.process import Service, run
from trunkline.errors import BadOption
from trunkline.workers import package_of

SERVICES: Final = ("gateway", "rest", "session", "router", "stt", "llm", "tts", "analytics")


def load_service(name: str) -> Service[Any]:
    """The service of that name; raises BadOption for one that there is not."""
    if name not in SERVICES:
        raise BadOption(f"there is no service {name!r}", mend=f"use any of {' '.join(SERVICES)}")
    service = import_module(f"{package_of(name)}.app").SERVICE
    assert isinstance(service, Service)
    return service


def main(names: list[str]) -> None:
    """Run these services in this process until a signal ends it."""
    try:
        if not names:
            raise BadOption("no service was named", mend=f"use any of {' '.join(SERVICES)}")
        services = [load_service(name) for name in names]
    except BadOption as error:
        sys.exit(f"error: {error}")
    run(*services)


if __name__ == "__main__":
    main(sys.argv[1:])
