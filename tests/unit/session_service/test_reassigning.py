"""A worker that is lost, begins a new life or drains: its calls go on with another, each moved once."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from contracts.identities import CallRef
from contracts.messages import ActiveCall, EndReason, Replaced, Role
from tests.support.waiting import eventually
from tests.unit.session_service.stage import STARTED, TENANT, TIMEOUT, UNKNOWN_ENGINE, Stage, a_request

LOADS = ("stt-1", "stt-2", "llm-1", "llm-2", "tts-1", "tts-2")


async def a_stage(**settings: Any) -> tuple[Stage, CallRef]:
    """One call at the first worker of each role, and a second one of each beside it."""
    stage = Stage(**settings)
    stage.staff()
    ref = await stage.opened()
    stage.staff(each=2)
    stage.hall.told.clear()
    return stage, ref


async def lose(stage: Stage, *processes: str) -> None:
    """These fall silent for good, everybody else is heard."""
    for _ in range(45):
        stage.clock.tick(0.1)
        for role in (Role.STT, Role.LLM, Role.TTS):
            for known in [p for r, p in list(stage.roster._processes) if r is role]:
                if known not in processes:
                    stage.beat(role, known)
        stage.beat(Role.GATEWAY, "gateway-1")
        stage.watch.look()
    await stage.settle()


def gone(stage: Stage, role: Role, process: str) -> None:
    """It is found out at this moment that this one is lost."""
    del stage.roster._processes[role, process]
    stage.reassigner.lost(role, process)


def record(stage: Stage, ref: CallRef) -> ActiveCall:
    (active,) = (call for call in stage.lifecycle.active() if call.call == ref.call)
    assert active == stage.shelf.kept[ref.call], "KV says the same"
    return active


async def test_a_lost_worker_is_replaced_in_a_new_epoch_that_is_said_before_the_other_takes_it() -> None:
    stage, ref = await a_stage()
    stage.hall.gates["stt-2"] = asyncio.Event()
    await lose(stage, "stt-1")
    ((call, said),) = stage.annals.reassignments
    assert call == ref.call
    assert (said.role, said.process, said.before, said.epoch) == (Role.STT, "stt-2", "stt-1", 2)
    assert said.why is Replaced.LOST
    kept = stage.shelf.kept[ref.call]
    assert (kept.epoch, kept.since, kept.workers[Role.STT]) == (2, {Role.STT: 2}, "stt-2")
    assert kept.moving == (Role.STT,), "nobody knows yet whether it has taken it"
    stage.hall.gates["stt-2"].set()
    await stage.settle()
    (asked,) = stage.hall.told
    assert (asked.epoch, asked.since, asked.resumed) == (2, {Role.STT: 2}, True)
    assert asked.workers == {Role.STT: "stt-2", Role.LLM: "llm-1", Role.TTS: "tts-1"}
    assert record(stage, ref).moving == ()
    assert stage.hall.holders(ref.call) == {"stt-2": 2, "llm-1": 1, "tts-1": 1}
    assert [stage.roster.load(process) for process in LOADS] == [0, 1, 1, 0, 1, 0]


async def test_it_is_noticed_once_and_every_call_moves_once() -> None:
    stage, _ = await a_stage(session_moves_at_once=3)
    refs = [await stage.opened() for _ in range(20)]
    before = {call.call for call in stage.lifecycle.active() if call.workers[Role.TTS] == "tts-1"}
    assert len(before) > 5
    await lose(stage, "tts-1")
    assert sorted(call for call, _ in stage.annals.reassignments) == sorted(before)
    assert all(record(stage, ref).workers[Role.TTS] == "tts-2" for ref in refs)
    assert stage.roster.load("tts-2") == 21


async def test_only_so_many_are_moved_at_once() -> None:
    stage, _ = await a_stage(session_moves_at_once=3)
    for _ in range(10):
        await stage.opened()
    stage.hall.gates["tts-2"] = asyncio.Event()
    stage.hall.told.clear()
    await lose(stage, "tts-1")
    assert len(stage.hall.told) == 3
    stage.hall.gates["tts-2"].set()
    await stage.settle()
    assert {call.workers[Role.TTS] for call in stage.lifecycle.active()} == {"tts-2"}


async def test_several_roles_lost_at_once_are_moved_together_each_in_its_own_epoch() -> None:
    stage, ref = await a_stage()
    await lose(stage, "stt-1", "llm-1", "tts-1")
    said = [body for _, body in stage.annals.reassignments]
    assert {body.role for body in said} == {Role.STT, Role.LLM, Role.TTS}
    assert sorted(body.epoch for body in said) == [2, 3, 4]
    now = record(stage, ref)
    assert (now.epoch, now.since) == (4, {body.role: body.epoch for body in said})
    assert stage.hall.holders(ref.call).keys() == {"stt-2", "llm-2", "tts-2"}
    assert [stage.roster.load(process) for process in LOADS] == [0, 1, 0, 1, 0, 1]


async def test_a_new_life_under_the_same_name_has_lost_what_the_first_held() -> None:
    stage = Stage()
    for role in (Role.STT, Role.LLM, Role.TTS):
        stage.beat(role, f"{role}-1", started_us=1)
    ref = await stage.opened()
    stage.beat(Role.LLM, "llm-1", started_us=2)
    await stage.settle()
    ((_, said),) = stage.annals.reassignments
    assert (said.process, said.before, said.epoch) == ("llm-1", "llm-1", 2)
    assert stage.hall.holders(ref.call)["llm-1"] == 2, "the new life takes it, and nobody tells it to let go"
    for _ in range(3):
        stage.beat(Role.LLM, "llm-1", started_us=2)
        await stage.settle()
    assert len(stage.annals.reassignments) == 1


async def test_a_worker_that_began_anew_while_the_session_did_holds_nothing() -> None:
    stage = Stage()
    for role in (Role.STT, Role.LLM, Role.TTS):
        stage.beat(role, f"{role}-1", started_us=1)
    ref = await stage.opened()
    stage.restart()
    await stage.lifecycle.restore()
    for role in (Role.STT, Role.LLM, Role.TTS):
        stage.beat(role, f"{role}-1", started_us=2 if role is Role.TTS else 1)
    await stage.settle()
    assert [(call, body.role) for call, body in stage.annals.reassignments] == [(ref.call, Role.TTS)]


async def test_a_worker_that_is_never_heard_after_a_restart_of_the_session_is_lost() -> None:
    stage, ref = await a_stage()
    stage.restart()
    await stage.lifecycle.restore()
    stage.beat(Role.STT, "stt-2")
    await lose(stage, "stt-1")
    assert record(stage, ref).workers[Role.STT] == "stt-2"


class TestWhoDoesNotTakeIt:
    """The next one is tried, in an epoch of its own."""

    async def test_a_replacement_that_does_not_answer_is_let_go_of_and_another_is_asked(self) -> None:
        stage, ref = await a_stage()
        stage.beat(Role.STT, "stt-3")
        stage.hall.faults["stt-2"] = TIMEOUT
        stage.hall.takes_it_late.add("stt-2")
        gone(stage, Role.STT, "stt-1")
        await stage.settle()
        said = [(body.process, body.epoch, body.why) for _, body in stage.annals.reassignments]
        assert said == [("stt-2", 2, Replaced.LOST), ("stt-3", 3, Replaced.REFUSED)]
        assert stage.hall.holders(ref.call) == {"stt-3": 3, "llm-1": 1, "tts-1": 1}
        assert [stage.roster.load(f"stt-{n}") for n in (1, 2, 3)] == [0, 0, 1]
        assert record(stage, ref).since == {Role.STT: 3}

    async def test_one_that_never_will_is_not_asked_again_but_waited_past(self) -> None:
        stage, ref = await a_stage()
        stage.hall.faults["stt-2"] = UNKNOWN_ENGINE
        await lose(stage, "stt-1")
        await lose(stage, "stt-1")
        assert len(stage.hall.told) == 1
        stage.beat(Role.STT, "stt-3")
        await stage.settle()
        assert stage.hall.holders(ref.call)["stt-3"] == 3

    async def test_who_timed_out_is_asked_again_once_it_is_heard(self) -> None:
        stage, ref = await a_stage()
        stage.hall.faults["stt-2"] = TIMEOUT
        gone(stage, Role.STT, "stt-1")
        await stage.settle()
        assert len(stage.hall.told) == 1
        del stage.hall.faults["stt-2"]
        stage.beat(Role.STT, "stt-2")
        await stage.settle()
        assert stage.hall.holders(ref.call)["stt-2"] == 3

    async def test_a_replacement_that_is_lost_while_it_is_asked_is_replaced(self) -> None:
        stage, ref = await a_stage()
        stage.beat(Role.STT, "stt-3")
        stage.hall.gates["stt-2"] = asyncio.Event()
        await lose(stage, "stt-1")
        assert len(stage.hall.told) == 1
        await lose(stage, "stt-1", "stt-2")
        stage.hall.gates["stt-2"].set()
        await stage.settle()
        now = record(stage, ref)
        assert (now.workers[Role.STT], now.since, now.moving) == ("stt-3", {Role.STT: 3}, ())
        assert stage.hall.holders(ref.call) == {"stt-3": 3, "llm-1": 1, "tts-1": 1}


class TestNobodyThere:
    """A call waits for a worker, and not for ever."""

    async def test_it_goes_on_as_soon_as_one_appears(self) -> None:
        stage, ref = await a_stage()
        await lose(stage, "stt-1", "stt-2")
        assert (stage.annals.reassignments, stage.hall.told) == ([], [])
        stage.beat(Role.STT, "stt-9")
        await stage.settle()
        assert record(stage, ref).workers[Role.STT] == "stt-9"
        assert stage.annals.ends == []

    async def test_the_same_one_will_do_when_it_wakes_up(self) -> None:
        stage, ref = await a_stage()
        await lose(stage, "stt-1", "stt-2")
        stage.beat(Role.STT, "stt-1")
        await stage.settle()
        ((_, said),) = stage.annals.reassignments
        assert (said.process, said.before, said.epoch) == ("stt-1", "stt-1", 2)
        assert stage.hall.holders(ref.call)["stt-1"] == 2

    async def test_after_a_while_it_is_hung_up_and_ended(self) -> None:
        stage, ref = await a_stage(session_worker_wait_s=10)
        stage.hall.hang_up_fault = TIMEOUT
        stage.annals.known[ref.call] = []
        await lose(stage, "stt-1", "stt-2")
        await stage.watch.sweep()
        assert stage.annals.ends == []
        for _ in range(3):
            await lose(stage, "stt-1", "stt-2")
        await stage.watch.sweep()
        ((told, body),) = stage.annals.ends
        assert (told, body.reason) == (ref, EndReason.FAILED)
        assert body.detail == "no stt worker took the call over"
        assert stage.nothing_is_held()

    async def test_a_full_worker_takes_it_beyond_its_latency_budget_but_not_beyond_its_capacity(self) -> None:
        stage, ref = await a_stage()
        stage.beat(Role.STT, "stt-2", capacity=0)
        gone(stage, Role.STT, "stt-1")
        await stage.settle()
        assert stage.annals.reassignments == []
        stage.beat(Role.STT, "stt-2", capacity=5, room=0)
        await stage.settle()
        assert record(stage, ref).workers[Role.STT] == "stt-2"


class TestDrain:
    """Calls leave a worker that is about to stop, a few at a time, for who has room."""

    async def test_its_calls_leave_a_few_at_a_time(self) -> None:
        stage, _ = await a_stage(session_drains_at_once=2)
        for _ in range(9):
            await stage.opened()
        held = {call.call for call in stage.lifecycle.active() if call.workers[Role.TTS] == "tts-1"}
        stage.hall.gates["tts-2"] = asyncio.Event()
        stage.hall.told.clear()
        stage.beat(Role.TTS, "tts-1", draining=True)
        await stage.settle()
        assert len(stage.hall.told) == 2
        stage.hall.gates["tts-2"].set()
        await stage.settle()
        assert {call for call, _ in stage.annals.reassignments} == held
        assert {body.why for _, body in stage.annals.reassignments} == {Replaced.DRAINING}
        assert (stage.roster.load("tts-1"), stage.hall.holds["tts-1"]) == (0, {})

    @pytest.mark.parametrize("room", [0, None], ids=["no room", "nobody"])
    async def test_where_nobody_has_room_they_stay_until_somebody_has(self, room: int | None) -> None:
        stage = Stage()
        stage.staff()
        ref = await stage.opened()
        if room is not None:
            stage.beat(Role.STT, "stt-2", room=room)
        for _ in range(40):
            stage.clock.tick(1)
            stage.beat(Role.STT, "stt-1", draining=True)
            await stage.settle()
        assert stage.annals.reassignments == []
        assert stage.reassigner.overdue() == []
        stage.beat(Role.STT, "stt-2", room=1)
        await stage.settle()
        assert record(stage, ref).workers[Role.STT] == "stt-2"

    async def test_one_that_dies_while_it_drains_is_lost(self) -> None:
        stage = Stage()
        stage.staff()
        ref = await stage.opened()
        stage.beat(Role.STT, "stt-1", draining=True)
        stage.beat(Role.STT, "stt-2", room=0)
        await lose(stage, "stt-1")
        assert record(stage, ref).workers[Role.STT] == "stt-2", "better slow than over"

    async def test_the_lost_are_moved_before_the_draining(self) -> None:
        stage, _ = await a_stage(session_moves_at_once=1, session_drains_at_once=1)
        for process in ("llm-1", "llm-1", "llm-1"):
            stage.roster.took(process)  # so that not every call of tts-1 is one of llm-1
        for _ in range(5):
            await stage.opened()
        stage.hall.gates["tts-2"] = asyncio.Event()
        stage.annals.reassignments.clear()
        stage.beat(Role.TTS, "tts-1", draining=True)
        await stage.settle()
        gone(stage, Role.LLM, "llm-1")
        stage.hall.gates["tts-2"].set()
        await stage.settle()
        (_, first), *later = stage.annals.reassignments
        assert first.role is Role.TTS, "the one move that was under way"
        without_llm = {call for call, body in later if body.role is Role.LLM}
        moved = [call in without_llm for call, _ in later]
        assert moved == sorted(moved, reverse=True)
        assert len(set(moved)) == 2, "there were both"


class TestRaces:
    """What happens to a call while it is moved."""

    @pytest.mark.parametrize("steps", range(14))
    async def test_a_call_that_ends_at_any_step_of_its_move_ends_once_and_nothing_stays(
        self, steps: int
    ) -> None:
        stage, ref = await a_stage()
        gone(stage, Role.STT, "stt-1")
        for _ in range(steps):
            await asyncio.sleep(0)
        await stage.lifecycle.leg_ended(ref, EndReason.CALLER_HUNG_UP)
        await stage.settle()
        said = [what for call, what in stage.annals.order if call == ref.call]
        assert said.count("ended") == 1
        assert said[-1] == "ended", "nothing is said of a call that is over"
        stage.hall.holds["stt-1"].clear()  # it is dead
        assert stage.nothing_is_held()

    async def test_a_worker_that_is_lost_while_the_call_is_opened_is_replaced_once_it_is_open(self) -> None:
        stage = Stage()
        stage.staff()
        await lose(stage)
        stage.hall.gates["tts-1"] = asyncio.Event()
        request = a_request()
        opening = asyncio.create_task(stage.open(request))
        await eventually(lambda: len(stage.hall.told) == 3, "its workers are asked")
        stage.beat(Role.STT, "stt-2")
        await lose(stage, "stt-1")
        assert stage.annals.reassignments == []
        stage.hall.gates["tts-1"].set()
        assert (await opening).error is None
        await stage.settle()
        ((_, said),) = stage.annals.reassignments
        assert (said.role, said.process, said.epoch) == (Role.STT, "stt-2", 2)
        assert record(stage, CallRef(TENANT, request.call)).workers[Role.STT] == "stt-2"

    async def test_kv_that_is_away_holds_the_move_up_and_nobody_is_told_before(self) -> None:
        stage, ref = await a_stage()
        stage.shelf.away = True
        gone(stage, Role.STT, "stt-1")
        await stage.clock.advance(1)
        assert (stage.annals.reassignments, stage.hall.told) == ([], [])
        stage.shelf.away = False
        await stage.clock.advance(1)
        await stage.settle()
        assert record(stage, ref).workers[Role.STT] == "stt-2"

    async def test_what_was_written_down_but_perhaps_never_asked_for_is_asked_by_the_next_session(
        self,
    ) -> None:
        stage, ref = await a_stage()
        stage.restart()
        await stage.lifecycle.restore()
        await stage.lifecycle.catch_up()
        stage.staff()
        stage.reassigner.pump()
        await stage.settle()
        now = record(stage, ref)
        assert (now.moving, sorted(now.since)) == ((), sorted((Role.STT, Role.LLM, Role.TTS)))
        assert set(stage.hall.holders(ref.call)) == set(now.workers.values())

    async def test_what_a_session_had_begun_the_next_one_finishes(self) -> None:
        stage, ref = await a_stage()
        stage.hall.gates["stt-2"] = asyncio.Event()
        await lose(stage, "stt-1")
        assert stage.shelf.kept[ref.call].moving == (Role.STT,)
        stage.restart()
        stage.hall.gates["stt-2"].set()
        stage.annals.known[ref.call] = STARTED
        await stage.lifecycle.restore()
        await stage.lifecycle.catch_up()
        stage.beat(Role.STT, "stt-2")
        await stage.settle()
        now = record(stage, ref)
        assert (now.epoch, now.workers[Role.STT], now.moving) == (3, "stt-2", ())
        await stage.lifecycle.catch_up()
        await stage.settle()
        assert record(stage, ref).epoch == 3, "once"
        assert stage.roster.load("stt-2") == 1
