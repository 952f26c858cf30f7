"""The session's core with the world around it in plain sight: a store, a floor and a record in memory.

What holds for the core over these also holds over the bus: `test_app.py` plays the same over NATS.
"""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any

from contracts.errors import TrunklineError
from contracts.examples.practice import RECEPTION
from contracts.identities import CallRef, number_key, uuid7
from contracts.messages import (
    ActiveCall,
    Assign,
    CallDetached,
    CallEnded,
    CallReassigned,
    CallRejected,
    CallStarted,
    EndReason,
    Heartbeat,
    LegEnded,
    NumberSnapshot,
    OpenCall,
    OpenCallReply,
    Role,
)
from runtime.errors import BusUnavailable
from session_service.admission import Admission
from session_service.core import Core, Ports
from session_service.ports import Word
from session_service.settings import Settings
from tests.support.clock import ManualClock

TENANT = "bright-smile"
NUMBER = "+15550100"
GATEWAY = "gateway-1"
SETTINGS = {
    "heartbeat_s": 1.0,
    "session_lost_after_s": 4.0,
    "session_suspect_s": 1.5,
    "session_ghost_after_s": 12.0,
    "session_reattach_s": 15.0,
    "session_worker_wait_s": 30.0,
}
_RNG = random.Random(1)


def a_number(number: str = NUMBER, tenant: str = TENANT, **changes: Any) -> NumberSnapshot:
    base = NumberSnapshot(
        number=number,
        tenant=tenant,
        tenant_name=tenant,
        max_concurrent_calls=100,
        tenant_max_concurrent_calls=100,
        assistant=RECEPTION,
    )
    return base.model_copy(update=changes)


def a_request(
    called: str = NUMBER,
    call: str | None = None,
    gateway: str = GATEWAY,
    *,
    carrier: str | None = None,
    attach: bool = True,
) -> OpenCall:
    call = call or uuid7(1_767_225_600_000, _RNG)
    return OpenCall(
        call=call,
        called=called,
        caller="+15550142",
        carrier_call_id=f"CA{call}" if carrier is None else carrier,
        gateway=gateway,
        attach=attach,
    )


@dataclass
class Shelf:
    """A CallStore in memory."""

    kept: dict[str, ActiveCall] = field(default_factory=dict)
    away: bool = False
    gate: asyncio.Event | None = None
    """Where there is one, who keeps a call waits for it."""

    async def put(self, key: str, value: ActiveCall) -> None:
        await self._reach()
        if self.gate is not None:
            await self.gate.wait()
        self.kept[key] = value

    async def delete(self, key: str) -> None:
        await self._reach()
        self.kept.pop(key, None)

    async def all(self) -> dict[str, ActiveCall]:
        return dict(self.kept)

    async def _reach(self) -> None:
        await asyncio.sleep(0)
        if self.away:
            raise BusUnavailable("KV is away", mend="start it")


@dataclass
class Hall:
    """A Floor in memory: what each process holds, in which epoch, and how it answers."""

    holds: dict[str, dict[str, int]] = field(default_factory=lambda: defaultdict(dict))
    faults: dict[str, TrunklineError] = field(default_factory=dict)
    takes_it_late: set[str] = field(default_factory=set)
    told: list[Assign] = field(default_factory=list)
    hung_up: list[str] = field(default_factory=list)
    hang_up_fault: TrunklineError | None = None
    gates: dict[str, asyncio.Event] = field(default_factory=dict)

    async def assign(self, role: Role, process: str, assign: Assign) -> None:
        self.told.append(assign)
        await asyncio.sleep(0)
        if process in self.gates:
            await self.gates[process].wait()
        if process in self.takes_it_late or process not in self.faults:
            self.holds[process][assign.call] = assign.epoch
        if process in self.faults:
            raise self.faults[process]

    async def release(self, role: Role, process: str, ref: CallRef, epoch: int) -> None:
        await asyncio.sleep(0)
        if self.holds[process].get(ref.call, epoch + 1) <= epoch:
            del self.holds[process][ref.call]

    async def hang_up(self, ref: CallRef, reason: EndReason) -> None:
        self.hung_up.append(ref.call)
        await asyncio.sleep(0)
        if self.hang_up_fault is not None:
            raise self.hang_up_fault

    def holders(self, call: str) -> dict[str, int]:
        return {process: calls[call] for process, calls in self.holds.items() if call in calls}


@dataclass
class Annals:
    """A Chronicle and a Herald in memory. `known` is what the record knew before, `order` what was said."""

    ends: list[tuple[CallRef, CallEnded]] = field(default_factory=list)
    refusals: list[tuple[CallRef, CallRejected]] = field(default_factory=list)
    known: dict[str, CallEnded | LegEnded | CallStarted | list[Word]] = field(default_factory=dict)
    away: bool = False
    reassignments: list[tuple[str, CallReassigned]] = field(default_factory=list)
    detachments: list[tuple[str, CallDetached]] = field(default_factory=list)
    order: list[tuple[str, str]] = field(default_factory=list)

    async def ended(self, ref: CallRef, body: CallEnded) -> None:
        self.ends.append((ref, body))
        self.known[ref.call] = body
        self.order.append((ref.call, "ended"))
        await asyncio.sleep(0)

    async def rejected(self, ref: CallRef, body: CallRejected) -> None:
        if self.away:
            raise BusUnavailable("the stream is away")
        self.refusals.append((ref, body))
        await asyncio.sleep(0)

    async def words(self, ref: CallRef) -> tuple[Word, ...]:
        await asyncio.sleep(0)
        if self.away:
            raise BusUnavailable("the stream is away")
        said = self.known.get(ref.call, [])
        return tuple(said) if isinstance(said, list) else (Word(said),)

    async def reassigned(self, ref: CallRef, body: CallReassigned) -> None:
        self.reassignments.append((ref.call, body))
        self.order.append((ref.call, f"reassigned {body.role}"))
        await asyncio.sleep(0)

    async def detached(self, ref: CallRef, body: CallDetached) -> None:
        self.detachments.append((ref.call, body))
        self.order.append((ref.call, "detached"))
        await asyncio.sleep(0)


class Stage:
    """A session's core with one number, and as many workers as a test puts on."""

    def __init__(self, *numbers: NumberSnapshot, tries: int = 2, max_calls: int = 0, **settings: Any) -> None:
        self.clock = ManualClock()
        self.shelf = Shelf()
        self.hall = Hall()
        self.annals = Annals()
        self.settings = Settings(**{**SETTINGS, "session_assign_tries": tries, **settings})
        self.tasks: set[asyncio.Task[None]] = set()
        self.failures: list[BaseException] = []
        self.numbers = {number_key(each.number): each for each in numbers or (a_number(),)}
        self.max_calls = max_calls
        self.restart()

    def restart(self) -> None:
        """A new session process; the world around it stays as it is."""
        for task in self.tasks:
            task.cancel()
        self.admission = Admission(self.max_calls, dict(self.numbers))
        ports = Ports(store=self.shelf, floor=self.hall, chronicle=self.annals, herald=self.annals)
        core = Core.of(self.settings, self.admission, ports, clock=self.clock, spawn=self.spawn)
        self.roster, self.reassigner = core.roster, core.reassigner
        self.lifecycle, self.watch = core.lifecycle, core.watch

    def spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        """As a TaskOwner does; what fails is in `failures`."""
        task = asyncio.get_running_loop().create_task(work, name=name)
        self.tasks.add(task)
        task.add_done_callback(self._finished)

    def _finished(self, task: asyncio.Task[None]) -> None:
        self.tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.failures.append(error)

    async def settle(self) -> None:
        """Let every task that was begun go on as far as it can without more time passing."""
        for _ in range(200):
            await asyncio.sleep(0)
            if not self.tasks:
                break
        assert not self.failures, self.failures

    def beat(
        self,
        role: Role,
        process: str,
        *,
        capacity: int = 100,
        draining: bool = False,
        started_us: int = 0,
        calls: int = 0,
        room: int | None = None,
    ) -> None:
        self.watch.heard(
            Heartbeat(
                role=role,
                process=process,
                at_us=0,
                started_us=started_us,
                calls=calls,
                capacity=capacity,
                room=room,
                draining=draining,
            )
        )

    def staff(self, each: int = 1, capacity: int = 100) -> None:
        """Workers of every role, and the gateway, say that they live."""
        for role in (Role.STT, Role.LLM, Role.TTS):
            for index in range(each):
                self.beat(role, f"{role}-{index + 1}", capacity=capacity)
        self.beat(Role.GATEWAY, GATEWAY)

    async def open(self, request: OpenCall | None = None) -> OpenCallReply:
        return await self.lifecycle.open(request or a_request())

    async def opened(self, gateway: str = GATEWAY) -> CallRef:
        """An accepted call."""
        request = a_request(gateway=gateway)
        reply = await self.open(request)
        assert reply.error is None, reply.error
        return CallRef(TENANT, request.call)

    def nothing_is_held(self) -> bool:
        """No slot, no room at a worker, no record and no worker holds anything of any call."""
        loads = [self.roster.load(process) for process in self.hall.holds]
        return (
            len(self.admission) == 0
            and not any(loads)
            and not self.shelf.kept
            and not any(self.hall.holds.values())
            and not self.lifecycle.active()
        )


TIMEOUT = TrunklineError("nobody answered", mend="is it running?", retryable=True)
UNKNOWN_ENGINE = TrunklineError("engine 'x' is not known", mend="use one of: synthetic")
STARTED = CallStarted(
    called=NUMBER,
    caller="+15550142",
    carrier_call_id="CA1",
    protocol="twilio",
    gateway=GATEWAY,
    assistant="reception",
    language="en-US",
)
LEFT = LegEnded(reason=EndReason.CALLER_HUNG_UP, detail="bye", frames_in=1, frames_out=1, frames_dropped=0)
ENDED = CallEnded(reason=EndReason.GHOST, started_us=0, ended_us=0, duration_ms=0)
