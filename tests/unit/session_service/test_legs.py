"""A leg that is lost with its gateway comes again through any other; a reserved call waits for its first."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from contracts.errors import ErrorCode
from contracts.identities import CallRef
from contracts.messages import (
    ActiveCall,
    EndReason,
    LegEnded,
    OpenCallReply,
    Replaced,
    Role,
)
from session_service.ports import Word
from tests.support.waiting import eventually
from tests.unit.session_service.stage import (
    GATEWAY,
    LEFT,
    STARTED,
    TENANT,
    Stage,
    a_request,
)

OTHER = "gateway-2"


async def a_stage(**settings: Any) -> tuple[Stage, CallRef]:
    """A call that was answered, and another gateway."""
    stage = Stage(**settings)
    stage.staff()
    stage.beat(Role.GATEWAY, OTHER)
    ref = await stage.opened()
    stage.annals.known[ref.call] = STARTED
    return stage, ref


async def detached(**settings: Any) -> tuple[Stage, CallRef]:
    stage, ref = await a_stage(**settings)
    await stage.lifecycle.gateway_lost(GATEWAY)
    return stage, ref


def kept(stage: Stage, ref: CallRef) -> ActiveCall:
    return stage.shelf.kept[ref.call]


def refused(reply: OpenCallReply) -> tuple[ErrorCode, int]:
    assert reply.error is not None
    return reply.error.code, reply.error.status


async def come(stage: Stage, ref: CallRef, gateway: str = OTHER) -> OpenCallReply:
    return await stage.open(a_request(call=ref.call, gateway=gateway))


class TestLost:
    async def test_a_call_keeps_its_slot_and_its_workers_and_waits(self) -> None:
        stage, ref = await detached()
        ((call, said),) = stage.annals.detachments
        assert (call, said.gateway, said.wait_s) == (ref.call, GATEWAY, 15.0)
        assert kept(stage, ref).detached_us == stage.clock.now_us()
        assert stage.hall.holders(ref.call) == {"stt-1": 1, "llm-1": 1, "tts-1": 1}
        assert (len(stage.admission), stage.annals.ends) == (1, [])
        await stage.lifecycle.gateway_lost(GATEWAY)
        assert len(stage.annals.detachments) == 1

    async def test_it_comes_again_by_the_call_id(self) -> None:
        stage, ref = await detached()
        reply = await come(stage, ref)
        assert (reply.error, reply.call, reply.resumed) == (None, ref.call, True)
        assert (reply.epoch, reply.since) == (2, {Role.GATEWAY: 2})
        ((call, said),) = stage.annals.reassignments
        assert (call, said.role, said.process, said.before) == (ref.call, Role.GATEWAY, OTHER, GATEWAY)
        assert (said.epoch, said.why) == (2, Replaced.LOST)
        now = kept(stage, ref)
        assert (now.gateway, now.epoch, now.detached_us, now.moving) == (OTHER, 2, None, ())
        assert await come(stage, ref) == reply, "the answer was lost"
        assert len(stage.annals.reassignments) == 1

    async def test_it_comes_again_by_the_carriers_id_for_the_same_number(self) -> None:
        stage, ref = await detached()
        carrier = f"CA{ref.call}"
        stage.numbers["15550101"] = stage.numbers["15550100"].model_copy(update={"number": "+15550101"})
        stage.admission.numbers = dict(stage.numbers)
        another = await stage.open(a_request("+15550101", gateway=OTHER, carrier=carrier))
        assert another.call != ref.call
        request = a_request(gateway=OTHER, carrier=carrier)
        reply = await stage.open(request)
        assert (reply.call, reply.resumed) == (ref.call, True)
        assert len(stage.admission) == 2

    async def test_it_may_come_again_to_the_same_gateway(self) -> None:
        stage, ref = await detached()
        reply = await come(stage, ref, GATEWAY)
        assert (reply.call, reply.epoch, reply.resumed) == (ref.call, 2, True)

    async def test_a_call_that_was_never_answered_begins_there(self) -> None:
        """No other gateway has spoken in it: no epoch begins, in which its workers would be stale."""
        stage, ref = await detached()
        stage.annals.known[ref.call] = []
        reply = await come(stage, ref)
        assert (reply.resumed, reply.epoch, reply.since) == (False, 1, {})
        ((_, said),) = stage.annals.reassignments
        assert (said.process, said.epoch) == (OTHER, 1)

    async def test_a_leg_that_does_not_come_again_ends_the_call(self) -> None:
        stage, ref = await detached()
        stage.clock.tick(14.9)
        await stage.lifecycle.end_overdue()
        assert stage.annals.ends == []
        stage.clock.tick(0.1)
        await stage.lifecycle.end_overdue()
        ((told, body),) = stage.annals.ends
        assert (told, body.reason) == (ref, EndReason.GATEWAY_LOST)
        assert stage.nothing_is_held()
        assert refused(await come(stage, ref)) == (ErrorCode.OUT_OF_ORDER, 481)

    async def test_while_it_is_written_down_that_it_has_come_it_is_not_overdue(self) -> None:
        stage, ref = await detached()
        stage.shelf.gate = asyncio.Event()
        coming = asyncio.create_task(come(stage, ref))
        await eventually(lambda: stage.lifecycle.gateway_of(ref.call) == OTHER, "it is being written down")
        await asyncio.wait_for(stage.lifecycle.end_overdue(), 20)
        stage.shelf.gate.set()
        assert (await coming).error is None
        assert stage.annals.ends == []

    async def test_its_epoch_is_that_of_everybody_who_was_replaced_before(self) -> None:
        stage, ref = await a_stage()
        stage.beat(Role.STT, "stt-2")
        del stage.roster._processes[Role.STT, "stt-1"]
        stage.reassigner.lost(Role.STT, "stt-1")
        await stage.settle()
        await stage.lifecycle.gateway_lost(GATEWAY)
        reply = await come(stage, ref)
        assert (reply.epoch, reply.since) == (3, {Role.STT: 2, Role.GATEWAY: 3})
        del stage.roster._processes[Role.STT, "stt-2"]
        stage.reassigner.lost(Role.STT, "stt-2")
        stage.beat(Role.STT, "stt-3")
        await stage.settle()
        again = await come(stage, ref)
        assert (again.epoch, again.since) == (3, {Role.STT: 4, Role.GATEWAY: 3})

    async def test_a_new_life_of_the_gateway_has_lost_what_the_first_held(self) -> None:
        stage = Stage()
        stage.staff()
        stage.beat(Role.GATEWAY, GATEWAY, started_us=1)
        ref = await stage.opened()
        stage.beat(Role.GATEWAY, GATEWAY, started_us=1)
        await stage.settle()
        assert stage.annals.detachments == []
        stage.beat(Role.GATEWAY, GATEWAY, started_us=2)
        await stage.settle()
        assert [call for call, _ in stage.annals.detachments] == [ref.call]
        stage.annals.known[ref.call] = STARTED
        assert (await come(stage, ref, GATEWAY)).resumed
        stage.beat(Role.GATEWAY, GATEWAY, started_us=2)
        await stage.settle()
        assert len(stage.annals.detachments) == 1

    async def test_kv_that_is_away_leaves_it_waiting(self) -> None:
        stage, ref = await detached()
        stage.shelf.away = True
        assert refused(await come(stage, ref)) == (ErrorCode.STORE_UNAVAILABLE, 503)
        assert stage.annals.reassignments == []
        stage.shelf.away = False
        reply = await come(stage, ref)
        assert (reply.error, reply.resumed) == (None, True)
        assert reply.since == {Role.GATEWAY: reply.epoch}

    async def test_two_that_have_it_at_once_are_one_and_a_refusal(self) -> None:
        stage, ref = await detached(session_lost_after_s=4.0)
        first, second = (
            asyncio.create_task(come(stage, ref)),
            asyncio.create_task(come(stage, ref, "gateway-3")),
        )
        await eventually(first.done, "the first has it")
        stage.clock.tick(1)
        stage.beat(Role.GATEWAY, OTHER)
        await stage.clock.advance(1)
        assert (await first).error is None
        assert refused(await second) == (ErrorCode.CONFLICT, 409)
        assert len(stage.annals.reassignments) == 1


class TestBeforeItIsKnown:
    """The leg comes again before its gateway is known to be gone."""

    async def test_it_is_given_the_call_once_that_is_known(self) -> None:
        stage, ref = await a_stage()
        coming = asyncio.create_task(come(stage, ref))
        await stage.clock.advance(1)
        assert not coming.done()
        await stage.lifecycle.gateway_lost(GATEWAY)
        await stage.clock.advance(0.1)
        reply = await asyncio.wait_for(coming, 20)
        assert (reply.error, reply.call, reply.resumed) == (None, ref.call, True)

    async def test_by_the_carriers_id_too(self) -> None:
        stage, ref = await a_stage()
        request = a_request(gateway=OTHER, carrier=f"CA{ref.call}")
        coming = asyncio.create_task(stage.open(request))
        await stage.clock.advance(1)
        await stage.lifecycle.gateway_lost(GATEWAY)
        await stage.clock.advance(0.1)
        assert (await asyncio.wait_for(coming, 20)).call == ref.call
        assert len(stage.admission) == 1

    async def test_a_gateway_that_lives_keeps_it(self) -> None:
        stage, ref = await a_stage()
        coming = asyncio.create_task(come(stage, ref))
        await stage.clock.advance(0.5)
        stage.beat(Role.GATEWAY, GATEWAY)
        await stage.clock.advance(0.1)
        reply = await asyncio.wait_for(coming, 20)
        assert refused(reply) == (ErrorCode.CONFLICT, 409)
        assert reply.error is not None
        assert GATEWAY in reply.error.message
        assert kept(stage, ref).gateway == GATEWAY

    async def test_one_that_is_never_heard_nor_lost_keeps_it(self) -> None:
        stage, ref = await a_stage()
        coming = asyncio.create_task(come(stage, ref))
        await stage.clock.advance(8.1)
        assert refused(await asyncio.wait_for(coming, 20)) == (ErrorCode.CONFLICT, 409)

    async def test_a_gateway_that_drains_gives_it_up_at_once_and_its_last_word_comes_late(self) -> None:
        stage, ref = await a_stage()
        stage.beat(Role.GATEWAY, GATEWAY, draining=True)
        reply = await come(stage, ref)
        assert (reply.error, reply.epoch, reply.resumed) == (None, 2, True)
        assert [body.why for _, body in stage.annals.reassignments] == [Replaced.DRAINING]
        await stage.lifecycle.leg_ended(ref, EndReason.DRAINED, epoch=1)
        await stage.lifecycle.leg_ended(ref, EndReason.CALLER_HUNG_UP, epoch=1)
        assert len(stage.annals.detachments) == 1
        assert stage.annals.ends == []
        await stage.lifecycle.leg_ended(ref, EndReason.CALLER_HUNG_UP, epoch=2)
        assert len(stage.annals.ends) == 1


class TestLegEnded:
    async def test_a_drained_leg_is_waited_for(self) -> None:
        stage, ref = await a_stage()
        for _ in range(2):
            await stage.lifecycle.leg_ended(ref, EndReason.DRAINED, epoch=1)
        assert [call for call, _ in stage.annals.detachments] == [ref.call]
        assert (await come(stage, ref)).resumed
        assert [body.why for _, body in stage.annals.reassignments] == [Replaced.DRAINING]

    async def test_a_drained_leg_that_does_not_come_again_ends_the_call(self) -> None:
        stage, ref = await a_stage()
        await stage.lifecycle.leg_ended(ref, EndReason.DRAINED, epoch=1)
        stage.clock.tick(15)
        await stage.lifecycle.end_overdue()
        assert [body.reason for _, body in stage.annals.ends] == [EndReason.DRAINED]

    async def test_a_caller_whose_connection_is_lost_frees_the_slot(self) -> None:
        stage, ref = await a_stage()
        await stage.lifecycle.leg_ended(ref, EndReason.CONNECTION_LOST, epoch=1)
        assert [body.reason for _, body in stage.annals.ends] == [EndReason.CONNECTION_LOST]
        assert stage.nothing_is_held()

    @pytest.mark.parametrize(
        ("reason", "ends"),
        [
            (EndReason.CONNECTION_LOST, 0),
            (EndReason.DRAINED, 0),
            (EndReason.CALLER_HUNG_UP, 1),
            (EndReason.COMMANDED, 1),
        ],
    )
    async def test_what_a_gateway_that_was_cut_off_says_of_the_leg_when_it_is_back(
        self, reason: EndReason, ends: int
    ) -> None:
        stage, ref = await detached()
        await stage.lifecycle.leg_ended(ref, reason, epoch=1)
        assert len(stage.annals.ends) == ends

    async def test_to_end_a_call_that_waits_nobody_is_asked(self) -> None:
        stage, ref = await detached()
        await stage.lifecycle.force_end(ref.call, EndReason.COMMANDED, "by hand")
        ((_, body),) = stage.annals.ends
        assert (body.reason, body.detail, stage.hall.hung_up) == (EndReason.COMMANDED, "by hand", [])
        assert stage.nothing_is_held()


class TestReserved:
    """A webhook asks before there is a leg."""

    async def test_the_leg_comes_with_the_same_id(self) -> None:
        stage, _ = await a_stage()
        request = a_request(attach=False)
        reply = await stage.open(request)
        assert (reply.error, reply.call) == (None, request.call)
        assert not stage.shelf.kept[request.call].attached
        leg = await stage.open(a_request(call=request.call, gateway=GATEWAY))
        assert leg == reply
        assert stage.shelf.kept[request.call].attached
        assert stage.annals.reassignments == []

    async def test_at_another_gateway_which_the_workers_are_told(self) -> None:
        stage, _ = await a_stage()
        request = a_request(attach=False)
        reply = await stage.open(request)
        leg = await stage.open(a_request(call=request.call, gateway=OTHER))
        assert (leg, leg.resumed) == (reply, False)
        ((_, said),) = stage.annals.reassignments
        assert (said.process, said.before, said.epoch, said.why) == (OTHER, GATEWAY, 1, Replaced.MOVED)
        assert stage.lifecycle.gateway_of(request.call) == OTHER

    async def test_with_the_carriers_id_alone(self) -> None:
        stage, _ = await a_stage()
        request = a_request(attach=False, carrier="CA7")
        await stage.open(request)
        assert (await stage.open(a_request(gateway=OTHER, carrier="CA7"))).call == request.call

    async def test_while_it_is_still_being_reserved(self) -> None:
        stage, _ = await a_stage()
        stage.hall.gates["tts-1"] = asyncio.Event()
        request = a_request(attach=False)
        reserving = asyncio.create_task(stage.open(request))
        await eventually(lambda: len(stage.hall.told) == 6, "its workers are asked")
        coming = asyncio.create_task(stage.open(a_request(call=request.call, gateway=OTHER)))
        await asyncio.sleep(0)
        stage.hall.gates["tts-1"].set()
        assert (await reserving).error is None
        assert (await coming).error is None
        assert stage.lifecycle.gateway_of(request.call) == OTHER

    async def test_a_webhook_that_is_repeated_gets_the_same_call_and_takes_no_second_slot(self) -> None:
        stage, _ = await a_stage()
        first = await stage.open(a_request(attach=False, carrier="CA7"))
        again = await stage.open(a_request(attach=False, carrier="CA7", gateway=OTHER))
        assert again == first
        assert len(stage.admission) == 2

    async def test_a_webhook_for_a_call_that_was_over_is_told_so(self) -> None:
        stage, _ = await a_stage()
        request = a_request(attach=False, carrier="CA7")
        reply = await stage.open(request)
        assert reply.call
        await stage.lifecycle.leg_ended(CallRef(TENANT, reply.call), EndReason.CALLER_HUNG_UP)
        again = a_request(attach=False, carrier="CA7")
        assert refused(await stage.open(again)) == (ErrorCode.OUT_OF_ORDER, 481)
        assert [ref.call for ref, _ in stage.annals.refusals] == [again.call]

    async def test_a_worker_may_be_replaced_meanwhile_and_nobody_is_stale(self) -> None:
        stage, _ = await a_stage()
        request = a_request(attach=False)
        await stage.open(request)
        stage.beat(Role.STT, "stt-2")
        del stage.roster._processes[Role.STT, "stt-1"]
        stage.reassigner.lost(Role.STT, "stt-1")
        await stage.settle()
        leg = await stage.open(a_request(call=request.call))
        assert (leg.epoch, leg.since, leg.workers[Role.STT]) == (1, {Role.STT: 2}, "stt-2")

    async def test_a_leg_that_never_comes_ends_it(self) -> None:
        stage, ref = await a_stage()
        request = a_request(attach=False)
        await stage.open(request)
        stage.clock.tick(12)
        await stage.lifecycle.end_unanswered(12)
        ((told, body),) = stage.annals.ends
        assert (told.call, body.reason, body.detail) == (request.call, EndReason.GHOST, "its leg never came")
        assert [call.call for call in stage.lifecycle.active()] == [ref.call]

    async def test_the_loss_of_who_asked_changes_nothing(self) -> None:
        stage, _ = await a_stage()
        request = a_request(attach=False)
        await stage.open(request)
        await stage.lifecycle.gateway_lost(GATEWAY)
        assert request.call not in {call for call, _ in stage.annals.detachments}
        assert (await stage.open(a_request(call=request.call, gateway=OTHER))).error is None


class TestOpening:
    async def test_a_gateway_that_is_lost_while_its_call_is_opened_leaves_it_reserved(self) -> None:
        stage, _ = await a_stage()
        stage.hall.gates["tts-1"] = asyncio.Event()
        request = a_request()
        opening = asyncio.create_task(stage.open(request))
        await eventually(lambda: len(stage.hall.told) == 6, "its workers are asked")
        await stage.lifecycle.gateway_lost(GATEWAY)
        stage.hall.gates["tts-1"].set()
        assert (await opening).error is None
        assert not stage.shelf.kept[request.call].attached
        leg = await stage.open(a_request(call=request.call, gateway=OTHER))
        assert (leg.error, leg.resumed) == (None, False)

    async def test_where_it_was_not_lost_after_all_the_record_says_so(self) -> None:
        stage, _ = await a_stage()
        stage.hall.gates["tts-1"] = asyncio.Event()
        request = a_request()
        opening = asyncio.create_task(stage.open(request))
        await eventually(lambda: len(stage.hall.told) == 6, "its workers are asked")
        await stage.lifecycle.gateway_lost(GATEWAY)
        stage.hall.gates["tts-1"].set()
        await opening
        stage.annals.known[request.call] = STARTED
        stage.clock.tick(12)
        await stage.lifecycle.end_unanswered(12)
        assert stage.annals.ends == []
        await stage.lifecycle.leg_ended(CallRef(TENANT, request.call), EndReason.CALLER_HUNG_UP)
        assert len(stage.annals.ends) == 1


class TestAfterARestart:
    """Whoever waits goes on waiting, as long as it had left."""

    async def test_a_detached_call_waits_for_what_is_left(self) -> None:
        stage, ref = await detached()
        stage.clock.tick(10)
        stage.restart()
        stage.staff()
        await stage.lifecycle.restore()
        await stage.lifecycle.catch_up()
        stage.clock.tick(4.9)
        await stage.lifecycle.end_overdue()
        assert stage.annals.ends == []
        reply = await come(stage, ref)
        assert (reply.call, reply.resumed) == (ref.call, True)

    async def test_a_reserved_call_is_one_still(self) -> None:
        stage, _ = await a_stage()
        request = a_request(attach=False, carrier="CA7")
        await stage.open(request)
        stage.restart()
        stage.staff()
        await stage.lifecycle.restore()
        await stage.lifecycle.catch_up()
        assert (await stage.open(a_request(gateway=OTHER, carrier="CA7"))).call == request.call

    async def test_the_end_of_the_leg_before_is_not_that_of_the_present_one(self) -> None:
        stage, ref = await detached()
        await come(stage, ref)
        drained = LegEnded(reason=EndReason.DRAINED, frames_in=1, frames_out=1, frames_dropped=0)
        stage.annals.known[ref.call] = [Word(drained, 1), Word(STARTED, 1)]
        stage.restart()
        await stage.lifecycle.restore()
        await stage.lifecycle.catch_up()
        assert kept(stage, ref).detached_us is None
        stage.annals.known[ref.call] = [Word(LEFT, 2), Word(STARTED, 1)]
        await stage.lifecycle.catch_up()
        assert len(stage.annals.ends) == 1

    async def test_a_leg_that_was_just_given_to_another_gateway_is_to_ask_again(self) -> None:
        stage, ref = await detached()
        stage.shelf.kept[ref.call] = kept(stage, ref).model_copy(
            update={
                "gateway": OTHER,
                "epoch": 2,
                "since": {Role.GATEWAY: 2},
                "detached_us": None,
                "moving": (Role.GATEWAY,),
            }
        )
        stage.restart()
        stage.staff()
        await stage.lifecycle.restore()
        await stage.lifecycle.catch_up()
        assert stage.annals.detachments[-1][1].gateway == OTHER
        reply = await come(stage, ref)
        assert (reply.epoch, reply.resumed) == (3, True)
