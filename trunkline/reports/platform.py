"""Which processes are watched during a run: those of a platform on this machine, and our own."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from trunkline.reports.samples import CALLERS
from trunkline.state import RunningPlatform


@dataclass(frozen=True, slots=True)
class Platform:
    """Process ids and health ports, by name; our own process is always there."""

    pids: Mapping[str, int] = field(default_factory=lambda: {CALLERS: os.getpid()})
    health_ports: Mapping[str, int] = field(default_factory=dict)


def of_this_machine(state: RunningPlatform) -> Platform:
    """The processes of a platform that runs here."""
    return Platform(
        {**{one.name: one.pid for one in state.processes}, CALLERS: os.getpid()},
        {one.name: one.health_port for one in state.processes if one.health_port is not None},
    )
