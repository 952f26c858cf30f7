"""The parts of the session's core, put together over its ports."""

from __future__ import annotations

from dataclasses import dataclass

from runtime.clock import Clock
from session_service.admission import Admission
from session_service.assigning import Assigner
from session_service.legs import Legs
from session_service.lifecycle import Lifecycle
from session_service.ports import CallStore, Chronicle, Floor, Herald
from session_service.reassigning import Pace, Reassigner, Spawn
from session_service.records import Records
from session_service.roster import Roster
from session_service.settings import Settings
from session_service.table import CallTable
from session_service.watch import Watch


@dataclass(frozen=True, slots=True)
class Ports:
    """The world that the core speaks to."""

    store: CallStore
    floor: Floor
    chronicle: Chronicle
    herald: Herald


@dataclass(frozen=True, slots=True)
class Core:
    """What a session knows and does of the calls that it has in hand."""

    roster: Roster
    reassigner: Reassigner
    lifecycle: Lifecycle
    watch: Watch

    @classmethod
    def of(
        cls, settings: Settings, admission: Admission, ports: Ports, *, clock: Clock, spawn: Spawn
    ) -> Core:
        """A core that knows of no call yet; `spawn` owns the tasks in which it moves them."""
        table = CallTable()
        records = Records(ports.store)
        roster = Roster(settings.session_lost_after_s, settings.session_suspect_s)
        assigner = Assigner(roster, ports.floor, clock, settings.session_assign_tries)
        legs = Legs(
            roster,
            records,
            herald=ports.herald,
            chronicle=ports.chronicle,
            clock=clock,
            wait_s=settings.session_reattach_s,
        )
        reassigner = Reassigner(
            table,
            roster,
            assigner,
            records,
            floor=ports.floor,
            herald=ports.herald,
            clock=clock,
            spawn=spawn,
            pace=Pace(
                settings.session_moves_at_once,
                settings.session_drains_at_once,
                settings.session_worker_wait_s,
            ),
        )
        lifecycle = Lifecycle(
            admission,
            table,
            roster=roster,
            assigner=assigner,
            legs=legs,
            reassigner=reassigner,
            store=ports.store,
            records=records,
            floor=ports.floor,
            chronicle=ports.chronicle,
            clock=clock,
        )
        watch = Watch(
            table,
            lifecycle,
            reassigner,
            records=records,
            roster=roster,
            clock=clock,
            spawn=spawn,
            ghost_after_s=settings.session_ghost_after_s,
        )
        return cls(roster, reassigner, lifecycle, watch)
