"""A call from `open` to `ended`: one answer, one end, and nothing left, in whatever order things happen."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest

from contracts.errors import ErrorCode
from contracts.identities import PLATFORM_TENANT, CallRef
from contracts.messages import ActiveCall, EndReason, OpenCallReply, Role
from session_service.ports import Word
from session_service.states import CallState
from tests.support.waiting import eventually
from tests.unit.session_service.stage import (
    ENDED,
    GATEWAY,
    LEFT,
    NUMBER,
    STARTED,
    TENANT,
    TIMEOUT,
    Stage,
    a_number,
    a_request,
)


async def test_an_accepted_call_is_answered_kept_and_listed() -> None:
    stage = Stage()
    stage.staff()
    request = a_request()
    reply = await stage.open(request)
    assert (reply.tenant, reply.number, reply.epoch, reply.error) == (TENANT, NUMBER, 1, None)
    assert reply.assistant == a_number().assistant
    (active,) = stage.lifecycle.active()
    assert active == stage.shelf.kept[request.call]
    assert active.started_us == stage.clock.now_us()
    assert stage.lifecycle.active(TENANT) == [active]
    assert stage.lifecycle.active("another") == []
    assert stage.lifecycle.gateway_of(request.call) == GATEWAY


async def test_a_call_keeps_the_assistant_it_began_with() -> None:
    stage = Stage()
    stage.staff()
    ref = await stage.opened()
    before = stage.shelf.kept[ref.call].assistant
    stage.admission.numbers["15550100"] = a_number(assistant=before.model_copy(update={"name": "new"}))
    assert stage.lifecycle.active()[0].assistant == before


async def test_its_end_frees_everything_and_is_said_once() -> None:
    stage = Stage()
    stage.staff()
    ref = await stage.opened()
    began_us = stage.clock.now_us()
    stage.clock.tick(61.5)
    for _ in range(3):
        await stage.lifecycle.leg_ended(ref, EndReason.CALLER_HUNG_UP, "bye")
    ((told, body),) = stage.annals.ends
    assert (told, body.reason, body.detail) == (ref, EndReason.CALLER_HUNG_UP, "bye")
    assert (body.started_us, body.duration_ms) == (began_us, 61_500)
    assert stage.nothing_is_held()


async def test_the_end_of_another_tenants_call_of_the_same_id_changes_nothing() -> None:
    stage = Stage()
    stage.staff()
    ref = await stage.opened()
    await stage.lifecycle.leg_ended(CallRef("another", ref.call), EndReason.CALLER_HUNG_UP)
    assert len(stage.lifecycle.active()) == 1


async def test_an_end_that_comes_at_once_from_every_side_is_said_once() -> None:
    stage = Stage()
    stage.staff()
    ref = await stage.opened()
    stage.hall.hang_up_fault = TIMEOUT
    stage.annals.known[ref.call] = LEFT
    await asyncio.gather(
        stage.lifecycle.leg_ended(ref, EndReason.CALLER_HUNG_UP),
        stage.lifecycle.force_end(ref.call, EndReason.GHOST),
        stage.lifecycle.gateway_lost(GATEWAY),
        stage.lifecycle.catch_up(),
        stage.lifecycle.end_unanswered(0),
        stage.lifecycle.leg_ended(ref, EndReason.CALLER_HUNG_UP),
    )
    assert len(stage.annals.ends) == 1
    assert stage.nothing_is_held()


@pytest.mark.parametrize("seed", range(20))
async def test_whatever_the_order_every_accepted_call_ends_once(seed: int) -> None:
    rng = random.Random(seed)
    stage = Stage(a_number(max_concurrent_calls=4))
    stage.staff(each=2)
    requests = [a_request(gateway=f"gateway-{rng.randint(1, 2)}") for _ in range(8)]
    refs = [CallRef(TENANT, request.call) for request in requests]
    replies: dict[str, list[OpenCallReply]] = {}

    async def open_it(index: int) -> None:
        replies.setdefault(refs[index].call, []).append(await stage.open(requests[index]))

    async def after(steps: int, work: object) -> None:
        for _ in range(steps):
            await asyncio.sleep(0)
        await work  # type: ignore[misc]  # any of the coroutines below

    if rng.random() < 0.5:
        stage.hall.faults["llm-1"] = TIMEOUT
    works: list[object] = []
    for index, ref in enumerate(refs):
        works += [open_it(index), stage.lifecycle.leg_ended(ref, EndReason.CALLER_HUNG_UP)]
        works += [open_it(index)] if rng.random() < 0.5 else []
        works += [stage.lifecycle.force_end(ref.call, EndReason.GHOST)] if rng.random() < 0.5 else []
    works += [stage.lifecycle.gateway_lost("gateway-1"), stage.lifecycle.catch_up()]
    await asyncio.gather(*(after(rng.randint(0, 12), work) for work in works))
    for ref in refs:
        await stage.lifecycle.leg_ended(ref, EndReason.CALLER_HUNG_UP)
    for ref in refs:
        accepted = any(reply.error is None for reply in replies[ref.call])
        ends = [told for told, _ in stage.annals.ends if told == ref]
        refusals = [told for told, _ in stage.annals.refusals if told == ref]
        assert (len(ends), len(refusals)) == ((1, 0) if accepted else (0, 1))
    assert stage.nothing_is_held()


async def test_a_hundred_at_once_for_a_limit_of_seven() -> None:
    stage = Stage(a_number(max_concurrent_calls=7))
    stage.staff(each=3)
    replies = await asyncio.gather(*(stage.open() for _ in range(100)))
    refused = [reply.error for reply in replies if reply.error is not None]
    assert len(replies) - len(refused) == 7
    assert {(error.code, error.status) for error in refused} == {(ErrorCode.NUMBER_FULL, 486)}
    assert len(stage.annals.refusals) == 93
    assert len(stage.shelf.kept) == len(stage.lifecycle.active()) == 7


async def test_a_repeated_request_gets_the_answer_of_the_first_and_takes_no_second_slot() -> None:
    stage = Stage(a_number(max_concurrent_calls=1))
    stage.staff()
    request, other = a_request(), a_request()
    replies = await asyncio.gather(*(stage.open(request) for _ in range(5)))
    assert all(reply == replies[0] for reply in replies)
    assert replies[0].error is None
    refusals = [await stage.open(other) for _ in range(3)]
    assert refusals[0].error is not None
    assert all(refusal == refusals[0] for refusal in refusals)
    assert len(stage.annals.refusals) == 1, "it is refused once, however often it asks"
    await stage.lifecycle.leg_ended(CallRef(TENANT, request.call), EndReason.CALLER_HUNG_UP)
    assert await stage.open(other) == refusals[0]


async def test_a_call_that_has_ended_is_not_opened_again() -> None:
    stage = Stage()
    stage.staff()
    request = a_request()
    await stage.open(request)
    ending = asyncio.create_task(
        stage.lifecycle.leg_ended(CallRef(TENANT, request.call), EndReason.CALLER_HUNG_UP)
    )
    await asyncio.sleep(0)
    for _ in range(2):
        reply = await stage.open(request)
        assert reply.error is not None
        assert (reply.error.code, reply.error.status) == (ErrorCode.OUT_OF_ORDER, 481)
        await ending
    assert stage.nothing_is_held()


async def test_refused_calls_do_not_fill_the_memory() -> None:
    stage = Stage()
    for _ in range(5000):
        await stage.open(a_request("+15550999"))
    assert len(stage.lifecycle._answers) == 4096


@pytest.mark.parametrize(
    ("called", "changes", "code", "status", "tenant"),
    [
        ("+15550999", {}, ErrorCode.UNKNOWN_NUMBER, 404, PLATFORM_TENANT),
        ("junk", {}, ErrorCode.UNKNOWN_NUMBER, 404, PLATFORM_TENANT),
        (NUMBER, {"active": False}, ErrorCode.NUMBER_INACTIVE, 404, TENANT),
        (NUMBER, {"subscription_active": False}, ErrorCode.SUBSCRIPTION_INACTIVE, 402, TENANT),
        (NUMBER, {"max_concurrent_calls": 0}, ErrorCode.NUMBER_FULL, 486, TENANT),
        (NUMBER, {"tenant_max_concurrent_calls": 0}, ErrorCode.TENANT_FULL, 486, TENANT),
    ],
)
async def test_a_refusal_is_in_the_record_under_the_tenant_it_concerns(
    called: str, changes: dict[str, Any], code: ErrorCode, status: int, tenant: str
) -> None:
    stage = Stage(a_number(**changes))
    stage.staff()
    request = a_request(called)
    reply = await stage.open(request)
    assert reply.error is not None
    assert (reply.error.code, reply.error.status) == (code, status)
    ((ref, body),) = stage.annals.refusals
    assert ref == CallRef(tenant, request.call)
    assert (body.called, body.caller, body.code, body.status) == (called, "+15550142", code, status)
    assert body.message == reply.error.message
    assert stage.annals.ends == []
    assert stage.nothing_is_held()


async def test_a_refusal_is_answered_also_when_the_record_is_away() -> None:
    stage = Stage()
    stage.annals.away = True
    reply = await stage.open(a_request("+15550999"))
    assert reply.error is not None
    assert reply.error.code is ErrorCode.UNKNOWN_NUMBER


async def test_a_call_that_cannot_be_written_down_is_refused_and_let_go_of() -> None:
    stage = Stage()
    stage.staff()
    stage.shelf.away = True
    reply = await stage.open()
    assert reply.error is not None
    assert (reply.error.code, reply.error.status, reply.error.retryable) == (
        ErrorCode.STORE_UNAVAILABLE,
        503,
        True,
    )
    assert reply.error.message == "the call could not be recorded: KV is away"
    assert stage.nothing_is_held()


async def test_a_call_that_ends_while_it_is_opened_is_refused_and_cleared_up() -> None:
    stage = Stage()
    stage.staff()
    stage.hall.gates["tts-1"] = asyncio.Event()
    request = a_request()
    opening = asyncio.create_task(stage.open(request))
    await eventually(lambda: len(stage.hall.told) == 3, "its workers are asked")
    ref = CallRef(TENANT, request.call)
    for _ in range(2):
        await stage.lifecycle.leg_ended(ref, EndReason.CALLER_HUNG_UP)
    stage.hall.gates["tts-1"].set()
    reply = await opening
    assert reply.error is not None
    assert (reply.error.code, reply.error.status) == (ErrorCode.OUT_OF_ORDER, 481)
    assert reply.error.message == "the call ended while it was opened"
    assert stage.annals.ends == [], "it never was active"
    assert len(stage.annals.refusals) == 1
    assert stage.nothing_is_held()


async def test_a_call_that_could_not_be_struck_from_kv_is_over_all_the_same() -> None:
    stage = Stage()
    stage.staff()
    ref = await stage.opened()
    stage.shelf.away = True
    await stage.lifecycle.leg_ended(ref, EndReason.CALLER_HUNG_UP)
    assert (len(stage.admission), len(stage.annals.ends), stage.lifecycle.active()) == (0, 1, [])
    stage.shelf.away = False
    stage.restart()
    await stage.lifecycle.restore()
    assert len(stage.admission) == 1
    await stage.lifecycle.catch_up()
    assert len(stage.annals.ends) == 1, "the record has its end already"
    assert stage.nothing_is_held()


async def test_what_could_not_be_struck_from_kv_is_struck_once_it_is_back() -> None:
    stage = Stage()
    stage.staff()
    refs = [await stage.opened() for _ in range(3)]
    stage.shelf.away = True
    for ref in refs:
        await stage.lifecycle.leg_ended(ref, EndReason.CALLER_HUNG_UP)
    await stage.watch.sweep()
    assert len(stage.shelf.kept) == 3
    stage.shelf.away = False
    await stage.watch.sweep()
    assert stage.nothing_is_held()


class TestAfterARestart:
    """A new session takes up what the old one left in KV."""

    async def test_active_calls_hold_their_slots_and_their_workers_room(self) -> None:
        stage = Stage(a_number(max_concurrent_calls=3))
        stage.staff()
        refs = [await stage.opened() for _ in range(3)]
        for ref in refs:
            stage.lifecycle.leg_answered(ref, stage.clock.now_us())
        before = stage.lifecycle.active()
        stage.restart()
        started = [Word(STARTED, 1, stage.clock.now_us())]
        stage.annals.known = dict.fromkeys([ref.call for ref in refs], started)
        await stage.lifecycle.restore()
        await stage.lifecycle.catch_up()
        stage.staff()
        assert _by_id(stage.lifecycle.active()) == _by_id(before)
        assert (stage.admission.held(number=NUMBER), stage.roster.load("stt-1")) == (3, 3)
        reply = await stage.open()
        assert reply.error is not None
        assert reply.error.code is ErrorCode.NUMBER_FULL
        repeated = await stage.open(a_request(call=refs[0].call))
        assert (repeated.error, repeated.workers[Role.STT]) == (None, "stt-1"), "it is accepted still"

    async def test_a_call_whose_leg_ended_meanwhile_is_ended_with_its_reason(self) -> None:
        stage = Stage()
        stage.staff()
        ref, other = await stage.opened(), await stage.opened()
        stage.restart()
        stage.annals.known = {ref.call: LEFT, other.call: STARTED}
        await stage.lifecycle.restore()
        await stage.lifecycle.catch_up()
        ((told, body),) = stage.annals.ends
        assert (told, body.reason, body.detail) == (ref, EndReason.CALLER_HUNG_UP, "bye")
        assert [active.call for active in stage.lifecycle.active()] == [other.call]
        assert set(stage.shelf.kept) == {other.call}
        assert stage.hall.holders(ref.call) == {}

    async def test_an_end_that_was_said_before_is_not_said_again(self) -> None:
        stage = Stage()
        stage.staff()
        ref = await stage.opened()
        stage.restart()
        stage.annals.known[ref.call] = ENDED
        await stage.lifecycle.restore()
        await stage.lifecycle.catch_up()
        await stage.lifecycle.leg_ended(ref, EndReason.CALLER_HUNG_UP)
        assert stage.annals.ends == []
        assert stage.nothing_is_held()

    async def test_a_leg_that_ends_between_the_two_steps_ends_once(self) -> None:
        stage = Stage()
        stage.staff()
        ref = await stage.opened()
        stage.restart()
        stage.annals.known[ref.call] = LEFT
        await stage.lifecycle.restore()
        await asyncio.gather(
            stage.lifecycle.leg_ended(ref, EndReason.CALLER_HUNG_UP), stage.lifecycle.catch_up()
        )
        assert len(stage.annals.ends) == 1
        assert stage.nothing_is_held()

    async def test_a_number_that_is_gone_keeps_its_calls(self) -> None:
        stage = Stage()
        stage.staff()
        await stage.opened()
        stage.numbers.clear()
        stage.restart()
        await stage.lifecycle.restore()
        assert len(stage.lifecycle.active()) == 1


class TestForcedEnd:
    """The gateway is asked first; a gateway that does not answer, or does not do it, is not waited for."""

    async def test_the_gateway_hangs_up_and_its_word_ends_the_call(self) -> None:
        stage = Stage()
        stage.staff()
        ref = await stage.opened()
        await stage.lifecycle.force_end(ref.call, EndReason.GHOST)
        assert (stage.hall.hung_up, stage.annals.ends) == ([ref.call], [])
        await stage.lifecycle.leg_ended(ref, EndReason.GHOST)
        assert [body.reason for _, body in stage.annals.ends] == [EndReason.GHOST]

    async def test_a_gateway_that_does_not_answer(self) -> None:
        stage = Stage()
        stage.staff()
        ref = await stage.opened()
        stage.hall.hang_up_fault = TIMEOUT
        await stage.lifecycle.force_end(ref.call, EndReason.GHOST)
        ((_, body),) = stage.annals.ends
        assert (body.reason, body.detail) == (EndReason.GHOST, "the gateway did not answer")
        assert stage.nothing_is_held()

    async def test_a_gateway_that_agrees_and_does_nothing(self) -> None:
        stage = Stage()
        stage.staff()
        ref = await stage.opened()
        for _ in range(10):
            await stage.lifecycle.force_end(ref.call, EndReason.GHOST)
            stage.clock.tick(0.5)
        assert stage.annals.ends == []
        await stage.lifecycle.force_end(ref.call, EndReason.GHOST)
        ((_, body),) = stage.annals.ends
        assert (body.reason, body.detail) == (EndReason.GHOST, "the gateway did not end the leg")
        assert stage.nothing_is_held()

    async def test_a_call_that_is_not_there_or_being_opened_is_left_alone(self) -> None:
        stage = Stage()
        stage.staff()
        await stage.lifecycle.force_end("no such call", EndReason.GHOST)
        stage.hall.gates["tts-1"] = asyncio.Event()
        request = a_request()
        opening = asyncio.create_task(stage.open(request))
        await eventually(lambda: len(stage.hall.told) == 3, "its workers are asked")
        await stage.lifecycle.force_end(request.call, EndReason.GHOST)
        assert stage.hall.hung_up == []
        (opened,) = stage.lifecycle._table.live()
        assert opened.state is CallState.OPENING
        stage.hall.gates["tts-1"].set()
        assert (await opening).error is None


def _by_id(calls: list[ActiveCall]) -> dict[str, ActiveCall]:
    return {call.call: call for call in calls}
