"""Workers that refuse, are slow or take a call late: another one takes it, and no call is held twice."""

from __future__ import annotations

import asyncio

import pytest

from contracts.errors import ErrorCode
from contracts.messages import Role
from tests.support.waiting import eventually
from tests.unit.session_service.stage import TENANT, TIMEOUT, UNKNOWN_ENGINE, Stage, a_request


async def test_every_role_takes_the_call_and_is_told_of_the_others() -> None:
    stage = Stage()
    stage.staff()
    ref = await stage.opened()
    workers = {Role.STT: "stt-1", Role.LLM: "llm-1", Role.TTS: "tts-1"}
    assert stage.hall.holders(ref.call) == {"stt-1": 1, "llm-1": 1, "tts-1": 1}
    assert [assign.workers for assign in stage.hall.told] == [workers] * 3
    assert {(assign.tenant, assign.gateway, assign.epoch) for assign in stage.hall.told} == {
        (TENANT, "gateway-1", 1)
    }


@pytest.mark.parametrize("late", [False, True], ids=["it never takes it", "it takes it late"])
async def test_a_worker_that_does_not_answer_is_replaced_in_a_new_epoch_and_let_go_of(late: bool) -> None:
    stage = Stage()
    stage.staff(each=2)
    stage.hall.faults["llm-1"] = TIMEOUT
    if late:
        stage.hall.takes_it_late.add("llm-1")
    request = a_request()
    reply = await stage.open(request)
    assert reply.error is None
    assert reply.workers == {Role.STT: "stt-1", Role.LLM: "llm-2", Role.TTS: "tts-1"}
    assert reply.epoch == 2
    assert stage.hall.holders(request.call) == {"stt-1": 2, "llm-2": 2, "tts-1": 2}
    assert all(assign.workers == reply.workers for assign in stage.hall.told if assign.epoch == 2)
    assert stage.shelf.kept[request.call].epoch == 2
    assert stage.shelf.kept[request.call].workers == reply.workers
    loads = {process: stage.roster.load(process) for process in ("llm-1", "llm-2", "stt-1", "tts-1")}
    assert loads == {"llm-1": 0, "llm-2": 1, "stt-1": 1, "tts-1": 1}


async def test_who_did_not_answer_is_not_asked_again_until_it_is_heard() -> None:
    stage = Stage()
    stage.staff(each=2)
    stage.hall.faults["llm-1"] = TIMEOUT
    await stage.opened()
    stage.hall.told.clear()
    await stage.opened()
    assert {assign.epoch for assign in stage.hall.told} == {1}, "nobody had to be replaced"
    del stage.hall.faults["llm-1"]
    stage.beat(Role.LLM, "llm-1")
    ref = await stage.opened()
    assert "llm-1" in stage.hall.holders(ref.call)


async def test_workers_of_several_roles_are_replaced_at_once() -> None:
    stage = Stage()
    stage.staff(each=2)
    stage.hall.faults |= {"stt-1": TIMEOUT, "tts-1": TIMEOUT}
    ref = await stage.opened()
    assert stage.hall.holders(ref.call) == {"stt-2": 2, "llm-1": 2, "tts-2": 2}


@pytest.mark.parametrize("tries", [1, 2, 3])
async def test_no_more_rounds_than_allowed_then_the_call_is_refused_and_nobody_holds_it(tries: int) -> None:
    stage = Stage(tries=tries)
    stage.staff(each=5)
    for index in range(1, 6):
        stage.hall.faults[f"tts-{index}"] = TIMEOUT
        stage.hall.takes_it_late.add(f"tts-{index}")
    reply = await stage.open()
    assert reply.error is not None
    assert (reply.error.code, reply.error.status, reply.error.retryable) == (ErrorCode.NO_WORKER, 503, True)
    assert reply.error.message == "no tts worker took the call: nobody answered"
    assert reply.error.mend == "is it running?"
    assert max(assign.epoch for assign in stage.hall.told) == tries
    assert stage.nothing_is_held()


async def test_when_there_is_nobody_else_the_refusal_says_why_the_first_did_not_take_it() -> None:
    stage = Stage()
    stage.staff()
    stage.hall.faults["stt-1"] = TIMEOUT
    reply = await stage.open()
    assert reply.error is not None
    assert reply.error.message == "no stt worker took the call: nobody answered"
    assert stage.nothing_is_held()


async def test_a_refusal_that_no_other_worker_would_mend_is_not_tried_on_another() -> None:
    stage = Stage()
    stage.staff(each=2)
    stage.hall.faults["llm-1"] = UNKNOWN_ENGINE
    reply = await stage.open()
    assert reply.error is not None
    assert (reply.error.code, reply.error.status, reply.error.retryable) == (ErrorCode.NO_WORKER, 503, False)
    assert reply.error.message == "no llm worker took the call: engine 'x' is not known"
    assert reply.error.mend == "use one of: synthetic"
    assert {assign.epoch for assign in stage.hall.told} == {1}
    assert stage.nothing_is_held()


@pytest.mark.parametrize("role", ["stt", "llm", "tts"])
async def test_without_a_worker_of_some_role_nobody_is_asked(role: str) -> None:
    stage = Stage()
    for other in {Role.STT, Role.LLM, Role.TTS} - {Role(role)}:
        stage.beat(other, f"{other}-1")
    reply = await stage.open()
    assert reply.error is not None
    assert reply.error.message == f"no {role} worker can take a call"
    assert stage.hall.told == []
    assert stage.nothing_is_held()


async def test_full_workers_are_a_full_platform() -> None:
    stage = Stage()
    stage.staff(each=2, capacity=1)
    for _ in range(2):
        await stage.opened()
    reply = await stage.open()
    assert reply.error is not None
    assert (reply.error.code, reply.error.status, reply.error.retryable) == (
        ErrorCode.PLATFORM_FULL,
        503,
        True,
    )
    assert len(stage.admission) == 2


async def test_a_fault_of_ours_in_mid_assignment_leaves_nothing_behind() -> None:
    stage = Stage()
    stage.staff()
    stage.hall.faults["tts-1"] = ZeroDivisionError()  # type: ignore[assignment]  # a bug, not a refusal
    with pytest.raises(ZeroDivisionError):
        await stage.open()
    assert stage.nothing_is_held()


async def test_a_session_that_is_stopped_in_mid_assignment_answers_and_leaves_nothing_behind() -> None:
    stage = Stage()
    stage.staff()
    stage.hall.gates["tts-1"] = asyncio.Event()
    request = a_request()
    first = asyncio.create_task(stage.open(request))
    await eventually(lambda: len(stage.hall.told) == 3, "they are asked")
    repeated = asyncio.create_task(stage.open(request))
    await asyncio.sleep(0)
    first.cancel()
    reply = await asyncio.wait_for(repeated, 20)
    assert reply.error is not None
    assert "the session stopped" in reply.error.message
    with pytest.raises(asyncio.CancelledError):
        await first
    assert stage.nothing_is_held()
