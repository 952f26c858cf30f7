"""Turns go to the caller who would be the first to hear a gap."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.room import RoomMeter
from runtime.tasks import TaskOwner
from tests.support.clock import ManualClock
from tests.unit.tts_service.scripted import at, never
from tts_service.errors import EngineFault, EngineTimeout
from tts_service.lanes import Lane
from tts_service.ports import Due, Pcm, Phrase, Run, VoiceInfo
from tts_service.scheduling import Made, Turns


@dataclass(eq=False)
class _Work:
    """What a caller waits for: one chunk."""

    name: str
    run: Run | None


class _Hands:
    """An engine whose runs end when a test says so, and that cannot bear some of what it is asked for."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.unbearable: set[str] = set()
        self.ends: list[asyncio.Event] = []

    def voices(self) -> tuple[VoiceInfo, ...]:
        raise AssertionError("nobody asks here")

    def begin(self, phrase: Phrase) -> _Work:
        raise AssertionError("nobody asks here")

    async def advance(self, utterances: Sequence[_Work]) -> list[Pcm | None]:
        self.batches.append([work.name for work in utterances])
        self.ends.append(asyncio.Event())
        await self.ends[-1].wait()
        if self.unbearable & set(self.batches[-1]):
            raise EngineFault("not this one")
        return [None] * len(utterances)


class _Crowd:
    """Callers who each want a chunk. `begun` are the names in the order in which their runs began."""

    def __init__(
        self, slots: int, clock: ManualClock, *, together: int = 1, budget_s: float = 10.0, **more: Any
    ) -> None:
        self.tasks = TaskOwner("test")
        self.turns = Turns(slots, clock, self.tasks, **more)
        self.engine = _Hands()
        self._lane = Lane("hands", self.engine, batch_limit=8, budget_s=budget_s, timeout_s=10.0)
        self._run = Run("chunk", together)
        self._asked: dict[str, asyncio.Task[Made]] = {}

    @property
    def begun(self) -> list[str]:
        return [name for batch in self.engine.batches for name in batch]

    async def comes(self, name: str, due: Due, tenant: str = "", run: Run | None = None) -> None:
        run = run or self._run
        step = self.turns.step(self._lane, _Work(name, run), run, due, tenant)
        self._asked[name] = asyncio.ensure_future(step)
        await _settle()

    async def ends(self, name: str) -> Made:
        """The last run that this one is in ends."""
        (*_, at) = (at for at, batch in enumerate(self.engine.batches) if name in batch)
        self.engine.ends[at].set()
        await _settle()
        return await self._asked[name]

    async def leaves(self, name: str) -> None:
        self._asked[name].cancel()
        await asyncio.wait({self._asked[name]})
        await _settle()


async def _settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_who_is_due_first_goes_first_whoever_came_first() -> None:
    crowd = _Crowd(1, ManualClock())
    for name, due_s in (("running", 9.0), ("late", 5.0), ("early", 1.0), ("middle", 3.0)):
        await crowd.comes(name, at(due_s))
    for name in ("running", "early", "middle", "late"):
        await crowd.ends(name)
    assert crowd.begun == ["running", "early", "middle", "late"]


async def test_a_due_that_changed_while_waiting_counts() -> None:
    crowd = _Crowd(1, ManualClock())
    dues = {"warm": float("inf")}
    await crowd.comes("running", at(0.0))
    await crowd.comes("warm", lambda: dues["warm"])
    await crowd.comes("live", at(5.0))
    dues["warm"] = 1.0  # somebody wants it now
    await crowd.ends("running")
    assert crowd.begun == ["running", "warm"]


async def test_what_nobody_waits_for_never_takes_the_last_slot() -> None:
    crowd = _Crowd(2, ManualClock())
    await crowd.comes("warm", never)
    await crowd.comes("more", never)
    assert crowd.begun == ["warm"]
    await crowd.comes("live", at(1.0))
    assert crowd.begun == ["warm", "live"]
    await crowd.ends("warm")
    assert crowd.begun == ["warm", "live", "more"]


async def test_with_one_slot_it_waits_for_everybody_else() -> None:
    crowd = _Crowd(1, ManualClock())
    await crowd.comes("running", at(0.0))
    await crowd.comes("warm", never)
    await crowd.comes("live", at(9.0))
    await crowd.ends("running")
    await crowd.ends("live")
    assert crowd.begun == ["running", "live", "warm"]


async def test_who_leaves_while_waiting_or_running_frees_the_place() -> None:
    crowd = _Crowd(1, ManualClock())
    for name in ("running", "impatient", "patient"):
        await crowd.comes(name, at(0.0))
    await crowd.leaves("impatient")
    assert len(crowd.turns) == 1
    await crowd.leaves("running")
    assert crowd.begun == ["running", "patient"]


async def test_a_turn_that_was_granted_to_somebody_who_left_goes_on() -> None:
    crowd = _Crowd(1, ManualClock())
    gone = asyncio.ensure_future(crowd.comes("gone", at(1.0)))
    await asyncio.sleep(0)
    await asyncio.sleep(0)  # the turn is given, and its run has not begun
    assert (len(crowd.turns), crowd.begun) == (0, [])
    crowd._asked["gone"].cancel()
    await gone
    await crowd.comes("next", at(2.0))
    assert crowd.begun[-1] == "next"


async def test_an_error_gives_the_turn_back() -> None:
    crowd = _Crowd(1, ManualClock())
    crowd.engine.unbearable = {"bad"}
    await crowd.comes("bad", at(0.0))
    await crowd.comes("good", at(0.0))
    with pytest.raises(EngineFault):
        await crowd.ends("bad")
    assert crowd.begun == ["bad", "good"]


async def test_an_owner_who_ends_the_runs_leaves_nobody_waiting() -> None:
    crowd = _Crowd(1, ManualClock())
    await crowd.comes("running", at(0.0))
    await crowd.tasks.close()
    with pytest.raises(EngineFault, match="broken off"):
        await crowd._asked["running"]


@given(
    st.lists(st.tuples(st.integers(0, 20), st.booleans()), min_size=1, max_size=30),
    st.integers(1, 4),
    st.integers(1, 5),
)
def test_never_more_than_there_are_slots_and_nobody_is_forgotten(
    wanted: list[tuple[int, bool]], slots: int, together: int
) -> None:
    async def run() -> None:
        running = most = largest = 0

        class Engine(_Hands):
            async def advance(self, utterances: Sequence[_Work]) -> list[Pcm | None]:
                nonlocal running, most, largest
                running += 1
                most, largest = max(most, running), max(largest, len(utterances))
                assert len({work.run for work in utterances}) == 1
                await asyncio.sleep(0)
                running -= 1
                return [None] * len(utterances)

        turns = Turns(slots, ManualClock(), TaskOwner("test"))
        lane = Lane("hands", Engine(), batch_limit=8, budget_s=1.0, timeout_s=10.0)

        async def work(due_s: float, kind: bool) -> Made:
            run = Run(kind, together)
            return await turns.step(lane, _Work("", run), run, at(due_s))

        made = await asyncio.gather(
            *(work(float("inf") if due_s == 20 else due_s, kind) for due_s, kind in wanted)
        )
        assert most <= slots
        assert largest <= together
        assert len(made) == len(wanted)
        assert len(turns) == 0

    asyncio.run(run())


# -- between tenants ---------------------------------------------------------------------------------


async def test_a_tenant_with_many_sentences_waits_for_itself() -> None:
    clock = ManualClock()
    crowd = _Crowd(1, clock)
    for name in ("loud-1", "loud-2", "loud-3", "loud-4", "quiet-1"):
        await crowd.comes(name, at(0.0), name.split("-")[0])
    for _ in range(5):
        clock.tick(0.1)
        await crowd.ends(crowd.begun[-1])
    assert crowd.begun == ["loud-1", "quiet-1", "loud-2", "loud-3", "loud-4"]


async def test_what_is_needed_now_goes_before_what_a_tenant_with_more_left_makes_ahead() -> None:
    clock = ManualClock()
    crowd = _Crowd(1, clock)
    await crowd.comes("loud-1", at(0.0), "loud")
    await crowd.comes("ahead", at(5.0), "quiet")
    await crowd.comes("loud-2", at(0.1), "loud")
    clock.tick(0.2)
    await crowd.ends("loud-1")
    assert crowd.begun == ["loud-1", "loud-2"]
    await crowd.ends("loud-2")
    await crowd.ends("ahead")


async def test_what_a_turn_really_took_counts() -> None:
    clock = ManualClock()
    crowd = _Crowd(1, clock)
    await crowd.comes("slow-1", at(0.0), "slow")
    await crowd.comes("fast-1", at(0.0), "fast")
    for name in ("slow-2", "fast-2", "slow-3", "fast-3"):
        await crowd.comes(name, at(0.0), name.split("-")[0])
    for _ in range(6):
        clock.tick(0.4 if crowd.begun[-1].startswith("slow") else 0.1)
        await crowd.ends(crowd.begun[-1])
    assert crowd.begun == ["slow-1", "fast-1", "fast-2", "fast-3", "slow-2", "slow-3"]


async def test_the_meter_learns_who_waited_and_for_how_long_the_engines_worked() -> None:
    clock = ManualClock()
    meter = RoomMeter(1, 0.2, clock)
    crowd = _Crowd(1, clock, meter=meter)
    for number in range(6):
        await crowd.comes(f"{number}", at(0.0))
    for number in range(6):
        clock.tick(0.5)
        await crowd.ends(f"{number}")
    assert meter.utilisation == 1.0
    assert meter.wait_s == 2.5
    await crowd.comes("warm", never)
    clock.tick(7.0)
    await crowd.ends("warm")
    assert meter.utilisation == 0.3, "work that nobody waits for would give way"


# -- several in one run ------------------------------------------------------------------------------


async def _queued(crowd: _Crowd, *names: str) -> None:
    """One who comes alone, and those who come while it is served; a name begins with its tenant's."""
    await crowd.comes("first", at(0.0), "somebody")
    for name in names:
        await crowd.comes(name, at(0.0), name.split("-")[0])


async def test_who_comes_alone_waits_for_nobody() -> None:
    crowd = _Crowd(2, ManualClock(), together=4)
    await crowd.comes("one", at(0.0))
    await crowd.comes("two", at(0.0))
    assert crowd.engine.batches == [["one"], ["two"]]


async def test_what_came_meanwhile_is_made_in_one_run() -> None:
    clock = ManualClock()
    crowd = _Crowd(1, clock, together=3)
    await _queued(crowd, "a", "b", "c", "d")
    await crowd.ends("first")
    clock.tick(0.25)
    made = await crowd.ends("a")
    await crowd.ends("d")
    assert crowd.engine.batches == [["first"], ["a", "b", "c"], ["d"]]
    assert made.took_s == 0.25


async def test_only_what_the_engine_makes_in_the_same_run_is_taken_along() -> None:
    crowd = _Crowd(1, ManualClock(), together=4)
    await _queued(crowd, "a", "b")
    await crowd.comes("other", at(0.0), run=Run("another voice", 4))
    await crowd.comes("c", at(0.0))
    await crowd.ends("first")
    await crowd.ends("a")
    assert crowd.engine.batches == [["first"], ["a", "b", "c"], ["other"]]


async def test_what_is_made_ahead_does_not_hold_up_what_is_needed_now() -> None:
    crowd = _Crowd(1, ManualClock(), together=4)
    await _queued(crowd, "a")
    for name, due in (("ahead-1", at(5.0)), ("warm", never), ("ahead-2", at(4.0)), ("b", at(0.1))):
        await crowd.comes(name, due)
    for name in ("first", "a", "ahead-1", "warm"):
        await crowd.ends(name)
    assert crowd.engine.batches == [["first"], ["a", "b"], ["ahead-2", "ahead-1"], ["warm"]]


async def test_a_tenant_with_many_sentences_does_not_fill_the_batches_of_others() -> None:
    clock = ManualClock()
    crowd = _Crowd(1, clock, together=3)
    await crowd.comes("first", at(0.0), "somebody")
    clock.tick(0.1)
    await crowd.ends("first")  # it is known what a chunk costs
    await crowd.comes("second", at(0.0), "somebody")
    for number in range(6):
        await crowd.comes(f"loud-{number}", at(0.0), "loud")
    await crowd.comes("quiet-1", at(0.0), "quiet")
    await crowd.comes("calm-1", at(0.0), "calm")
    await crowd.ends("second")
    assert set(crowd.engine.batches[-1]) == {"loud-0", "quiet-1", "calm-1"}


async def test_weights_hold_inside_a_batch() -> None:
    clock = ManualClock()
    crowd = _Crowd(1, clock, together=6, weight=_heavy_twice)
    await crowd.comes("first", at(0.0), "somebody")
    clock.tick(0.1)
    await crowd.ends("first")
    await crowd.comes("second", at(0.0), "somebody")
    for number in range(8):
        await crowd.comes(f"light-{number}", at(0.0), "light")
        await crowd.comes(f"heavy-{number}", at(0.0), "heavy")
    await crowd.ends("second")
    names = [name.split("-")[0] for name in crowd.engine.batches[-1]]
    assert (names.count("heavy"), names.count("light")) == (4, 2)


def _heavy_twice(tenant: str) -> float:
    return 2.0 if tenant == "heavy" else 1.0


async def test_each_pays_its_part_of_the_run() -> None:
    clock = ManualClock()
    crowd = _Crowd(1, clock, together=4)
    await _queued(crowd, "many-1", "many-2", "many-3", "one-1")
    clock.tick(0.1)
    await crowd.ends("first")
    for name in ("many-4", "one-2", "one-3"):
        await crowd.comes(name, at(0.0), name.split("-")[0])
    clock.tick(0.4)
    await crowd.ends("many-1")
    assert crowd.engine.batches[1:] == [
        ["many-1", "one-1", "many-2", "many-3"],
        ["one-2", "one-3", "many-4"],
    ]


async def test_a_batch_is_no_larger_than_the_latency_budget() -> None:
    clock = ManualClock()
    crowd = _Crowd(1, clock, together=8, budget_s=0.2)
    await _queued(crowd, *"abcdefgh")
    clock.tick(0.09)
    await crowd.ends("first")
    assert crowd.engine.batches[-1] == ["a", "b"]
    clock.tick(0.02)  # the engine gains by it, so the next ones may be larger
    await crowd.ends("a")
    clock.tick(0.02)
    await crowd.ends("c")
    assert len(crowd.engine.batches[-1]) > 2


async def test_one_that_cannot_be_made_fails_alone() -> None:
    crowd = _Crowd(1, ManualClock(), together=4)
    crowd.engine.unbearable = {"b"}
    await _queued(crowd, "a", "b", "c")
    await crowd.ends("first")
    asked = dict(crowd._asked)
    crowd.engine.ends[-1].set()
    await _settle()
    for name in ("a", "b", "c"):
        assert crowd.engine.batches[-1] == [name]
        crowd.engine.ends[-1].set()
        await asyncio.wait({asked[name]})
        await _settle()
    assert isinstance(asked["a"].result(), Made)
    assert isinstance(asked["c"].result(), Made)
    assert isinstance(asked["b"].exception(), EngineFault)


async def test_an_engine_that_hangs_fails_all_of_the_run_and_frees_the_slot() -> None:
    tasks = TaskOwner("test")
    turns = Turns(1, ManualClock(), tasks)
    lane = Lane("hands", _Hands(), batch_limit=8, budget_s=1.0, timeout_s=0.02)
    run = Run("chunk", 4)
    steps = (turns.step(lane, _Work(f"{number}", run), run, at(0.0)) for number in range(4))
    results = await asyncio.gather(*steps, return_exceptions=True)
    assert [type(result) for result in results] == [EngineTimeout] * 4
    assert len(tasks) == 0


async def test_who_is_cancelled_before_the_run_is_not_in_it() -> None:
    crowd = _Crowd(1, ManualClock(), together=4)
    await _queued(crowd, "a", "b", "c")
    await crowd.leaves("b")
    await crowd.ends("first")
    assert crowd.engine.batches[-1] == ["a", "c"]


async def test_who_is_cancelled_within_the_run_does_not_stop_the_others() -> None:
    crowd = _Crowd(1, ManualClock(), together=4)
    await _queued(crowd, "a", "b", "c")
    await crowd.ends("first")
    await crowd.leaves("b")
    await crowd.ends("a")
    await crowd.ends("c")
    assert crowd.engine.batches == [["first"], ["a", "b", "c"]]


async def test_a_run_that_nobody_wants_any_more_gives_its_slot_to_the_next() -> None:
    crowd = _Crowd(1, ManualClock(), together=2)
    await _queued(crowd, "a", "b", "c")
    await crowd.ends("first")
    await crowd.leaves("a")
    assert crowd.begun[-1] == "b"
    await crowd.leaves("b")
    assert crowd.engine.batches == [["first"], ["a", "b"], ["c"]]
