"""Who leads: one table, one process at a time, and nothing decided by who cannot be sure."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typing_extensions import override

from contracts.messages import LeaderLease
from runtime.errors import BusUnavailable, Conflict
from session_service.errors import IllegalTransition, NotLeading
from session_service.leadership import Election, Leadership, Standing, Turn, next_standing
from tests.support.clock import ManualClock
from tests.support.waiting import eventually

LEASE_S, RENEW_S = 2.0, 0.5
LISTED: dict[tuple[Standing, Turn], Standing] = {
    (Standing.FOLLOWING, Turn.LEASE_FREE): Standing.CLAIMING,
    (Standing.CLAIMING, Turn.WON): Standing.LEADING,
    (Standing.CLAIMING, Turn.BEATEN): Standing.FOLLOWING,
    (Standing.LEADING, Turn.RENEWED): Standing.LEADING,
    (Standing.LEADING, Turn.LAPSED): Standing.DOUBTING,
    (Standing.LEADING, Turn.BEATEN): Standing.FOLLOWING,
    (Standing.DOUBTING, Turn.RENEWED): Standing.LEADING,
    (Standing.DOUBTING, Turn.BEATEN): Standing.FOLLOWING,
    **{(each, Turn.STOPPED): Standing.RESIGNED for each in Standing if each is not Standing.RESIGNED},
}


def as_time_goes(clock: ManualClock, step_s: float, holds: Callable[[], bool]) -> Callable[[], bool]:
    """Whether it holds, a step later each time it is asked."""

    def asked() -> bool:
        clock.tick(step_s)
        return holds()

    return asked


@pytest.mark.parametrize(("standing", "turn"), list(itertools.product(Standing, Turn)))
def test_only_what_the_table_lists_may_happen(standing: Standing, turn: Turn) -> None:
    if (standing, turn) in LISTED:
        assert next_standing(standing, turn) is LISTED[standing, turn]
        return
    election = Election(LEASE_S)
    election.standing = standing
    with pytest.raises(IllegalTransition, match=f"{turn.name} cannot happen to who is {standing.name}"):
        election.take(turn)
    assert election.standing is standing


class Ticking(ManualClock):
    """Time that a test moves by `tick`, and that wakes those who sleep until then."""

    @override
    async def sleep(self, seconds: float) -> None:
        until_s = self.monotonic_s() + seconds
        await eventually(lambda: self.monotonic_s() >= until_s, "the time is up", timeout_s=60)


@dataclass
class Locker:
    """A Lease and a Fence in memory, seen by several processes. `away` loses requests, `deaf` the answers."""

    lease: LeaderLease | None = None
    revision: int = 0
    fence: int = 0
    away: bool = False
    deaf: bool = False
    changes: asyncio.Event = field(default_factory=asyncio.Event)

    def seen_by(self, clock: Ticking) -> Key:
        return Key(self, clock)


@dataclass
class Key:
    """One process's hold on the locker."""

    locker: Locker
    clock: Ticking
    looked_at: int = 0
    known_term: int = 0

    async def read(self) -> tuple[LeaderLease | None, int]:
        await self._reach()
        self.looked_at = self.locker.revision
        return self.locker.lease, self.locker.revision

    async def write(self, lease: LeaderLease, revision: int) -> int:
        await self._reach()
        if revision != self.locker.revision:
            raise Conflict("another came first")
        self.locker.lease, self.locker.revision = lease, revision + 1
        if self.locker.deaf:
            raise BusUnavailable("the answer was lost")
        return self.locker.revision

    async def changed(self, timeout_s: float) -> None:
        until_s = self.clock.monotonic_s() + timeout_s
        await eventually(
            lambda: self.looked_at != self.locker.revision or self.clock.monotonic_s() >= until_s,
            "it changes, or the time is up",
            timeout_s=60,
        )

    async def term(self) -> int:
        await self._reach()
        self.known_term = self.locker.fence
        return self.known_term

    async def advance(self, holder: str, term: int) -> None:
        await self._reach()
        if self.locker.fence != self.known_term:
            raise Conflict("another came first")
        self.locker.fence = term

    async def _reach(self) -> None:
        await asyncio.sleep(0)
        if self.locker.away:
            raise BusUnavailable("KV is away")


@dataclass
class Candidate:
    """A running session, as far as leading goes."""

    leadership: Leadership
    terms: list[str] = field(default_factory=list)
    fault: Exception | None = None
    running: asyncio.Task[None] | None = None

    async def begin(self) -> None:
        self.terms.append("begun")
        if self.fault is not None:
            fault, self.fault = self.fault, None
            raise fault

    async def end(self) -> None:
        self.terms.append("ended")

    @property
    def leads(self) -> bool:
        return self.leadership.mandate().holds_now()

    async def stop(self) -> None:
        assert self.running is not None
        self.running.cancel()
        await asyncio.wait({self.running})
        await self.leadership.resign()


class Clockwork:
    """Candidates on one clock, which goes on by itself in small steps as long as it is wound up."""

    def __init__(self) -> None:
        self.clock = Ticking()
        self.locker = Locker()
        self.candidates: list[Candidate] = []

    def enter(self, name: str) -> Candidate:
        key = self.locker.seen_by(self.clock)
        leadership = Leadership(key, key, self.clock, holder=name, lease_s=LEASE_S, renew_s=0.01)
        candidate = Candidate(leadership)
        candidate.running = asyncio.create_task(leadership.run(candidate.begin, candidate.end))
        self.candidates.append(candidate)
        return candidate

    def nobody_else_leads(self) -> bool:
        return sum(each.leads for each in self.candidates) <= 1


@asynccontextmanager
async def clockwork() -> AsyncIterator[Clockwork]:
    works = Clockwork()
    yield works
    for each in works.candidates:
        assert each.running is not None
        each.running.cancel()
        await asyncio.wait({each.running})


async def test_the_first_leads_at_once_and_the_second_follows() -> None:
    async with clockwork() as works:
        first = works.enter("one")
        await eventually(lambda: first.leads, "the first leads")
        second = works.enter("two")
        await asyncio.wait_for(second.leadership.settled.wait(), 20)
        assert (first.terms, second.terms, second.leads) == (["begun"], [], False)
        assert (works.locker.lease, works.locker.fence) == (LeaderLease(holder="one", term=1), 1)


async def test_a_leader_that_resigns_is_followed_without_a_tick_of_the_clock() -> None:
    async with clockwork() as works:
        first, second = works.enter("one"), works.enter("two")
        await eventually(lambda: first.leads, "the first leads")
        await first.stop()
        assert not first.leads
        await eventually(lambda: second.leads, "the second leads")
        assert first.terms == ["begun", "ended"]
        assert works.locker.fence == 2


async def test_a_leader_that_died_is_followed_once_its_lease_has_run_out() -> None:
    async with clockwork() as works:
        first, second = works.enter("one"), works.enter("two")
        await eventually(lambda: first.leads, "the first leads")
        assert first.running is not None
        first.running.cancel()  # it writes no more
        await asyncio.wait({first.running})
        works.clock.tick(0.9 * LEASE_S)
        await asyncio.sleep(0.03)
        assert not second.leads
        assert not first.leads, "it trusts its lease for less than its length"
        works.clock.tick(LEASE_S)
        await eventually(lambda: second.leads, "the second leads")


async def test_who_cannot_renew_decides_nothing_and_goes_on_where_nobody_took_over() -> None:
    async with clockwork() as works:
        only = works.enter("one")
        await eventually(lambda: only.leads, "it leads")
        mandate = only.leadership.mandate()
        works.locker.away = True
        works.clock.tick(2 * LEASE_S)
        assert not mandate.holds_now()
        waiting = asyncio.create_task(mandate.holds())
        await asyncio.sleep(0.03)
        assert not waiting.done(), "it cannot know yet"
        works.locker.away = False
        await eventually(as_time_goes(works.clock, 0.02, waiting.done), "it knows")
        assert waiting.result()
        assert only.terms == ["begun"]


async def test_a_frozen_leader_that_wakes_learns_that_its_term_is_over() -> None:
    async with clockwork() as works:
        first = works.enter("one")
        await eventually(lambda: first.leads, "the first leads")
        mandate = first.leadership.mandate()
        other = LeaderLease(holder="two", term=2)
        works.locker.lease, works.locker.revision, works.locker.fence = other, works.locker.revision + 1, 2
        await eventually(lambda: first.terms == ["begun", "ended"], "it lets go")
        assert not await mandate.holds()
        with pytest.raises(NotLeading, match="does not lead any more"):
            await mandate.demand()
        works.clock.tick(LEASE_S)
        await eventually(as_time_goes(works.clock, 0.1, lambda: first.leads), "it leads again")
        assert works.locker.fence == 3
        assert not mandate.holds_now(), "what began in the old term stays stopped in the new one"


async def test_a_write_refused_by_the_fence_ends_the_term_at_once() -> None:
    async with clockwork() as works:
        first = works.enter("one")
        await eventually(lambda: first.leads, "it leads")
        first.leadership.depose()
        assert not first.leads
        await eventually(lambda: "ended" in first.terms, "it lets go")


async def test_a_renewal_whose_answer_was_lost_is_no_defeat() -> None:
    async with clockwork() as works:
        first = works.enter("one")
        await eventually(lambda: first.leads, "it leads")
        works.locker.deaf = True
        was = works.locker.revision
        await eventually(lambda: works.locker.revision > was, "one was stored")
        works.locker.deaf = False
        was = works.locker.revision
        await eventually(lambda: works.locker.revision > was + 2, "it goes on")
        assert (first.leads, first.terms) == (True, ["begun"])


async def test_a_term_that_cannot_be_taken_up_now_is_tried_again_and_a_fault_of_ours_is_not() -> None:
    async with clockwork() as works:
        first = works.enter("one")
        first.fault = BusUnavailable("KV is away")
        await eventually(as_time_goes(works.clock, 0.1, lambda: first.leads), "it leads")
        assert first.terms == ["begun", "ended", "begun"]
    async with clockwork() as works:
        broken = works.enter("one")
        broken.fault = ZeroDivisionError("ours")
        assert broken.running is not None
        await asyncio.wait({broken.running}, timeout=5)
        with pytest.raises(ZeroDivisionError):
            broken.running.result()


PAUSES = st.sampled_from([0.0, 0.1, 0.5, 1.0, LEASE_S])


@given(
    steps=st.lists(
        st.tuples(st.sampled_from("ab"), st.sampled_from(["look", "renew", "wait"]), PAUSES),
        max_size=60,
    )
)
@settings(max_examples=300, deadline=None)
def test_two_never_lead_at_one_moment_as_long_as_their_clocks_run_equally_fast(
    steps: list[tuple[str, str, float]],
) -> None:
    """Whatever the order and the delays: a write is stored some time after it was asked for."""
    now_s, lease, revision = 0.0, None, 0
    candidates = {"a": Election(LEASE_S), "b": Election(LEASE_S)}
    for name, step, seconds in steps:
        one = candidates[name]
        asked_s = now_s
        now_s += seconds
        if step == "look" and one.standing is Standing.FOLLOWING and one.saw(lease, revision, now_s):
            one.take(Turn.LEASE_FREE)
            revision, lease = revision + 1, LeaderLease(holder=name, term=1)
            one.wrote(revision, asked_s)
            one.take(Turn.WON)
        elif step == "renew" and one.standing is Standing.LEADING:
            if one.revision == revision:
                revision += 1
                one.wrote(revision, asked_s)
            else:
                one.take(Turn.BEATEN)
                one.forget()
        assert sum(each.leads(now_s) for each in candidates.values()) <= 1
