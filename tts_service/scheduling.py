"""Whose turn it is at the engines: within a tenant, the caller who would be the first to hear a gap.

Work comes in chunks of a tenth of a second or so, and each is given out anew, so a long sentence of one call
never holds up the first word of another. Between tenants the engines are shared out fairly, first for what is
needed within `_URGENT_S`, then for what is made ahead. What nobody waits for (phrases made before they are
asked for) runs only while nobody waits, and never takes the last slot.

Who comes next may take others along: chunks of other calls that wait as well, as urgently, and that the
engine makes in the same run. They are taken in the order in which they would have come, so shares hold inside
a batch too. Nobody waits for a batch to fill.
"""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass, field
from enum import IntEnum
from functools import partial
from typing import Final, NamedTuple

from contracts.errors import TrunklineError
from runtime.clock import Clock
from runtime.fair_queue import CREDIT_S, Shares, Weight, alike
from runtime.room import RoomMeter
from runtime.tasks import TaskOwner
from tts_service.errors import EngineFault
from tts_service.lanes import Lane, Outcome
from tts_service.ports import Due, Pcm, Run, Utterance

NEVER: Final = math.inf


_URGENT_S: Final = 0.5
_LEARNING: Final = 0.2


class _Tier(IntEnum):
    """How much it matters that the turn comes now."""

    URGENT = 0
    AHEAD = 1
    IDLE = 2


class Made(NamedTuple):
    """A chunk, or None for a step without sound, and how long the run took that made it."""

    pcm: Pcm | None
    took_s: float


class _Rank(NamedTuple):
    """The least comes first. `due_s` is when it is needed."""

    tier: _Tier
    start: float
    due_s: float


@dataclass(eq=False, slots=True)
class _Waiting:
    lane: Lane
    utterance: Utterance
    run: Run
    due: Due
    tenant: str
    came_s: float
    result: asyncio.Future[Made]
    batch: _Batch | None = None
    charged_s: float = 0.0

    def settle(self, outcome: Outcome, took_s: float) -> None:
        """Tell whoever waits, if they still do."""
        if self.result.done():
            return
        if isinstance(outcome, TrunklineError):
            self.result.set_exception(outcome)
        else:
            self.result.set_result(Made(outcome, took_s))


@dataclass(eq=False, slots=True)
class _Batch:
    """What one run of an engine makes."""

    tier: _Tier
    began_s: float
    members: list[_Waiting] = field(default_factory=list)
    task: asyncio.Task[None] | None = None

    def stop_if_unwanted(self) -> None:
        """It is broken off when all have left that it was for."""
        if self.task is not None and all(member.result.done() for member in self.members):
            self.task.cancel()


class Turns:
    """`slots` runs are made at once, for the tenants by their shares. `meter` learns of it."""

    def __init__(
        self,
        slots: int,
        clock: Clock,
        tasks: TaskOwner,
        meter: RoomMeter | None = None,
        weight: Weight = alike,
    ) -> None:
        self._slots = slots
        self._idle_slots = max(1, slots - 1)
        self._clock = clock
        self._tasks = tasks
        self._meter = meter
        self._shares = Shares(weight, CREDIT_S)
        self._usual_s = 0.0  # of a run, for each of its members
        self._running: set[_Batch] = set()
        self._waiting: list[_Waiting] = []

    def __len__(self) -> int:
        return len(self._waiting)

    async def step(self, lane: Lane, utterance: Utterance, run: Run, due: Due, tenant: str = "") -> Made:
        """Wait for a turn and have the next chunk made. `due` is asked whenever a turn is to be given, for it
        may change. Raises what the engine raises, or EngineTimeout.

        Who is cancelled while waiting is in no batch; who is cancelled later does not stop the others of it.
        """
        result: asyncio.Future[Made] = asyncio.get_running_loop().create_future()
        mine = _Waiting(lane, utterance, run, due, tenant, self._clock.monotonic_s(), result)
        self._waiting.append(mine)
        self._give()
        try:
            return await result
        finally:
            if mine.batch is None:
                self._waiting.remove(mine)
            else:
                mine.batch.stop_if_unwanted()

    def _give(self) -> None:
        while self._waiting and len(self._running) < self._slots:
            batch = self._next_batch()
            if batch is None:
                return
            self._running.add(batch)
            batch.task = self._tasks.spawn(self._make(batch), "engine run")
            batch.task.add_done_callback(partial(self._over, batch))

    def _next_batch(self) -> _Batch | None:
        """Whose turn it is, and who shares the run; None where there is no slot for what nobody waits for."""
        now_s = self._clock.monotonic_s()
        first, rank = self._first(self._waiting, now_s)
        idle = sum(running.tier is _Tier.IDLE for running in self._running)
        if rank.tier is _Tier.IDLE and idle >= self._idle_slots:
            return None
        batch = _Batch(rank.tier, now_s)
        self._take(first, rank, batch)
        while first.lane.takes_more(len(batch.members), first.run):
            others = [one for one in self._waiting if one.lane is first.lane and one.run == first.run]
            if not others:
                break
            another, rank = self._first(others, now_s)
            if rank.tier is not batch.tier:  # what is needed now is not held up by what is not
                break
            self._take(another, rank, batch)
        return batch

    def _first(self, waiting: list[_Waiting], now_s: float) -> tuple[_Waiting, _Rank]:
        ranked = ((self._rank(one, now_s), at) for at, one in enumerate(waiting))
        rank, at = min(ranked)
        return waiting[at], rank

    def _rank(self, waiting: _Waiting, now_s: float) -> _Rank:
        due_s = waiting.due()
        if due_s == NEVER:
            return _Rank(_Tier.IDLE, 0.0, due_s)
        tier = _Tier.URGENT if due_s <= now_s + _URGENT_S else _Tier.AHEAD
        return _Rank(tier, self._shares.start_of(waiting.tenant), due_s)

    def _take(self, waiting: _Waiting, rank: _Rank, batch: _Batch) -> None:
        self._waiting.remove(waiting)
        waiting.batch = batch
        batch.members.append(waiting)
        if rank.tier is not _Tier.IDLE:
            waiting.charged_s = self._usual_s
            self._shares.charge(waiting.tenant, waiting.charged_s)
        if self._meter is not None and rank.tier is _Tier.URGENT:
            self._meter.waited(max(0.0, batch.began_s - max(waiting.came_s, rank.due_s)))

    async def _make(self, batch: _Batch) -> None:
        members = {member.utterance: member for member in batch.members}

        def tell(utterance: Utterance, outcome: Outcome) -> None:
            members[utterance].settle(outcome, self._clock.monotonic_s() - batch.began_s)

        await batch.members[0].lane.make(list(members), tell)

    def _over(self, batch: _Batch, task: asyncio.Task[None]) -> None:
        self._running.discard(batch)
        held_s = self._clock.monotonic_s() - batch.began_s
        each_s = held_s / len(batch.members)
        if not task.cancelled():
            batch.members[0].lane.worked(len(batch.members), held_s)
        if batch.tier is not _Tier.IDLE:
            self._usual_s += _LEARNING * (each_s - self._usual_s)
            if self._meter is not None:
                self._meter.worked(held_s)
        for member in batch.members:
            if batch.tier is not _Tier.IDLE:
                self._shares.correct(member.tenant, each_s - member.charged_s)
            member.settle(EngineFault(f"{member.lane.name} was broken off"), held_s)
        self._give()
