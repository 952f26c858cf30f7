"""Racing admissions and releases on the real bus while leaders are killed: is a limit ever exceeded?

Sixty callers call, hold and hang up on numbers whose limits are far below that; the first hold until the
platform is full. What they see is booked in the order in which they see it: from its acceptance to the
moment at which its leg ends, a call is active. The session holds the slot at least as long, so the book may
never show more calls than a limit allows; and the record, read back from the stream, must say the same. At
the end every slot is free.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from typing import Final

from bench.floor import GATEWAY, LEFT, SessionProcess, a_number, open_bus, publish_numbers, staff, started
from contracts.channels import SESSION_ACTIVE, SESSION_OPEN
from contracts.identities import CallRef, uuid7
from contracts.messages import (
    ActiveCall,
    ActiveCalls,
    CallEnded,
    CallStarted,
    Direction,
    LegEnded,
    ListActiveCalls,
    NumberSnapshot,
    OpenCall,
    OpenCallReply,
)
from contracts.streams import CALLS, CALLS_BUCKET
from contracts.wire import decode_event, every_event
from runtime.bus import Bus
from runtime.errors import RequestTimeout
from runtime.storage import Bucket
from runtime.tasks import TaskOwner

CALLERS: Final = 60
TENANT_LIMIT: Final = 5
NUMBER_LIMIT: Final = 2
RESERVE: Final = 2
PLATFORM_LIMIT: Final = 17
NUMBERS: Final = [
    a_number(f"+1555{8000 + i}", f"tenant-{i % 5}", NUMBER_LIMIT, TENANT_LIMIT, RESERVE) for i in range(20)
]
SETTINGS: Final = {
    "heartbeat_s": 0.5,
    "session_max_calls": PLATFORM_LIMIT,
    "session_inbound_reserve": RESERVE,
    "session_ghost_after_s": 60,
    "session_lost_after_s": 4,
}
_HOLD_S: Final = 0.02
_PATIENCE_S: Final = 20.0


@dataclass
class Book:
    """The active calls as their callers see them; every limit that was exceeded is noted."""

    by_tenant: Counter[str] = field(default_factory=Counter)
    by_number: Counter[str] = field(default_factory=Counter)
    outbound: Counter[str] = field(default_factory=Counter)
    excesses: list[str] = field(default_factory=list)
    most: int = 0

    def began(self, number: NumberSnapshot, direction: Direction) -> None:
        """A call was accepted."""
        self._count(number, direction, 1)
        checks = (
            ("platform", self.by_tenant.total(), PLATFORM_LIMIT),
            (number.tenant, self.by_tenant[number.tenant], TENANT_LIMIT),
            (number.number, self.by_number[number.number], NUMBER_LIMIT),
            ("outbound", self.outbound.total(), PLATFORM_LIMIT - RESERVE),
            (f"outbound of {number.tenant}", self.outbound[number.tenant], TENANT_LIMIT - RESERVE),
        )
        self.excesses += [f"{what}: {held} of {limit}" for what, held, limit in checks if held > limit]
        self.most = max(self.most, self.by_tenant.total())

    def ends(self, number: NumberSnapshot, direction: Direction) -> None:
        """Its leg is about to end."""
        self._count(number, direction, -1)

    def _count(self, number: NumberSnapshot, direction: Direction, by: int) -> None:
        self.by_tenant[number.tenant] += by
        self.by_number[number.number] += by
        if direction is Direction.OUTBOUND:
            self.outbound[number.tenant] += by


@dataclass
class Outcome:
    """What came of a race; `gaps_s` is how long, after each kill, nobody was accepted."""

    asked: int = 0
    accepted: dict[str, tuple[NumberSnapshot, Direction]] = field(default_factory=dict)
    refused: Counter[str] = field(default_factory=Counter)
    asked_again: int = 0
    kills: int = 0
    took_s: float = 0.0
    gaps_s: list[float] = field(default_factory=list)
    book: Book = field(default_factory=Book)
    recorded: Book = field(default_factory=Book)
    ends: Counter[str] = field(default_factory=Counter)
    left_in_kv: list[str] = field(default_factory=list)
    left_held: int = 0

    def summary(self) -> dict[str, object]:
        """As figures."""
        return {
            "admissions_asked": self.asked,
            "accepted": len(self.accepted),
            "refused": dict(self.refused),
            "leaders_killed": self.kills,
            "asked_again": self.asked_again,
            "limits_exceeded": len(self.book.excesses) + len(self.recorded.excesses),
            "most_at_once": self.book.most,
            "platform_limit": PLATFORM_LIMIT,
            "ended_once": sum(count == 1 for count in self.ends.values()),
            "slots_held_at_the_end": self.left_held + len(self.left_in_kv),
            "seconds_without_answer_after_a_kill": [round(gap, 2) for gap in self.gaps_s],
            "took_s": round(self.took_s, 1),
        }


class Race:
    """The callers and their referee."""

    def __init__(self, bus: Bus, total: int) -> None:
        self._bus = bus
        self._rng = random.Random(3)
        self._total = total
        self.outcome = Outcome()
        self._answered = asyncio.Event()
        self._full = asyncio.Event()
        self._progress = asyncio.Condition()

    async def asked(self, share: float) -> None:
        """Return once this share of the admissions was asked for."""
        async with self._progress:
            await self._progress.wait_for(lambda: self.outcome.asked >= share * self._total)

    async def run(self) -> None:
        """Until all are asked and every call has ended."""
        await asyncio.gather(*(self._caller() for _ in range(CALLERS)))

    async def accepts(self) -> None:
        """Return when a call that is asked for from now on is accepted."""
        self._answered.clear()
        await self._answered.wait()

    async def _caller(self) -> None:
        while self.outcome.asked < self._total:
            self.outcome.asked += 1
            async with self._progress:
                self._progress.notify_all()
            number = self._rng.choice(NUMBERS)
            direction = self._rng.choices([*Direction], [3, 1])[0]
            await self._call(number, direction)

    async def _call(self, number: NumberSnapshot, direction: Direction) -> None:
        request = OpenCall(
            call=uuid7(time.time_ns() // 1_000_000, self._rng),
            called=number.number,
            caller="+15550142",
            carrier_call_id="CA1",
            gateway=GATEWAY,
            direction=direction,
        )
        reply = await self._ask(request)
        if reply.error is not None:
            self.outcome.refused[reply.error.code.value] += 1
            await asyncio.sleep(self._rng.expovariate(1 / _HOLD_S))
            return
        self._answered.set()
        self.outcome.accepted[request.call] = (number, direction)
        self.outcome.book.began(number, direction)
        ref = CallRef(number.tenant, request.call)
        if self.outcome.book.most >= PLATFORM_LIMIT:
            self._full.set()
        await self._bus.publish_event(ref, started(request, number))
        await self._hold()
        self.outcome.book.ends(number, direction)
        await self._bus.publish_event(ref, LEFT)

    async def _hold(self) -> None:
        """Stay on the line: until the platform was full once, and then a moment."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._full.wait(), _PATIENCE_S)
        await asyncio.sleep(self._rng.expovariate(1 / _HOLD_S))

    async def _ask(self, request: OpenCall) -> OpenCallReply:
        """As a gateway asks: again where nobody answers, until it has no more patience."""
        give_up = time.monotonic() + _PATIENCE_S
        while True:
            try:
                return await self._bus.request(SESSION_OPEN, request, OpenCallReply, timeout_s=1.5)
            except RequestTimeout:
                self.outcome.asked_again += 1
                if time.monotonic() > give_up:
                    raise
                await asyncio.sleep(0.1)


async def race(url: str, total: int, kills: int) -> Outcome:
    """`total` admissions, in the midst of which so many leaders are killed; as many stand by."""
    async with AsyncExitStack() as stack:
        bus = await stack.enter_async_context(open_bus(url, "race"))
        workers = await stack.enter_async_context(open_bus(url, "workers"))
        tasks = TaskOwner("race")
        stack.push_async_callback(tasks.close)
        await publish_numbers(bus, NUMBERS)
        await staff(workers, tasks, capacity=1000)
        sessions = [await SessionProcess.start(url, **SETTINGS) for _ in range(kills + 1)]
        contest = Race(bus, total)
        began = time.monotonic()
        running = tasks.spawn(contest.run(), "callers")
        for number in range(kills):
            await contest.asked((number + 1) / (kills + 1))
            await _kill_the_leader(sessions, contest)
        await running
        outcome = contest.outcome
        outcome.took_s = time.monotonic() - began
        outcome.kills = kills
        await bus.settle(10)
        await _look_what_is_left(bus, outcome)
        await _read_the_record(bus, outcome)
        for session in sessions:
            await session.kill()
        return outcome


async def _kill_the_leader(sessions: list[SessionProcess], contest: Race) -> None:
    """Kill who leads, and time until a call is accepted again."""
    (leader,) = (session for session in sessions if session.leads)
    sessions.remove(leader)
    await leader.kill()
    began = time.monotonic()
    await asyncio.wait_for(contest.accepts(), _PATIENCE_S)
    contest.outcome.gaps_s.append(time.monotonic() - began)


async def _look_what_is_left(bus: Bus, outcome: Outcome) -> None:
    """Give the session a moment to strike out the last calls; what is left then, leaked."""
    records = await Bucket.open(bus, CALLS_BUCKET, ActiveCall)
    give_up = time.monotonic() + _PATIENCE_S
    while time.monotonic() < give_up:
        outcome.left_in_kv = sorted(await records.all())
        active = await bus.request(SESSION_ACTIVE, ListActiveCalls(), ActiveCalls, timeout_s=5)
        counts = active.counts
        outcome.left_held = sum(each.held for each in (*counts.tenants.values(), *counts.numbers.values()))
        if not outcome.left_in_kv and not outcome.left_held:
            return
        await asyncio.sleep(0.1)


async def _read_the_record(bus: Bus, outcome: Outcome) -> None:
    """Play the stream back into a second book."""
    info = await bus.jetstream.stream_info(CALLS.name)
    reader = await bus.jetstream.subscribe(every_event(), stream=CALLS.name, ordered_consumer=True)
    last = 0
    while last < info.state.last_seq:
        msg = await reader.next_msg(timeout=10)
        last = msg.metadata.sequence.stream
        event = decode_event(msg.subject, msg.data)
        if event.call not in outcome.accepted:
            continue
        match event.body:
            case CallStarted():
                outcome.recorded.began(*outcome.accepted[event.call])
            case LegEnded():
                outcome.recorded.ends(*outcome.accepted[event.call])
            case CallEnded():
                outcome.ends[event.call] += 1
    await reader.unsubscribe()
