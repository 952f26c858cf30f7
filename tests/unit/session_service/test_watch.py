"""Ghosts, calls never answered and lost gateways are ended; a session that is deaf itself ends nothing."""

from __future__ import annotations

import pytest

from contracts.identities import CallRef
from contracts.messages import EndReason, Role
from runtime.errors import BusUnavailable
from tests.unit.session_service.stage import GATEWAY, LEFT, STARTED, TIMEOUT, Stage


async def a_stage() -> tuple[Stage, CallRef]:
    """A session that has heard everybody for long, with one call that was answered."""
    stage = Stage()
    stage.staff()
    await live(stage, 6)
    ref = await stage.opened()
    stage.annals.known[ref.call] = STARTED
    return stage, ref


async def live(stage: Stage, seconds: float, *, silent: str = "") -> None:
    """Let time pass with a heartbeat of everybody each second, but of who is `silent`."""
    for _ in range(round(seconds)):
        stage.clock.tick(1)
        for role in Role:
            process = f"{role}-1"
            if process != silent:
                stage.beat(role, process)
        stage.watch.look()
        await stage.watch.sweep()
        await stage.settle()


async def test_a_ghost_is_hung_up() -> None:
    stage, ref = await a_stage()
    stage.watch.note_quiet(GATEWAY, {ref.call: 11_999})
    await stage.watch.sweep()
    assert stage.hall.hung_up == []
    stage.watch.note_quiet(GATEWAY, {ref.call: 12_000})
    await stage.watch.sweep()
    await stage.watch.sweep()
    assert stage.hall.hung_up == [ref.call], "once for each time that the gateway says so"


async def test_a_ghost_whose_gateway_does_not_answer_is_ended_without() -> None:
    stage, ref = await a_stage()
    stage.hall.hang_up_fault = TIMEOUT
    stage.watch.note_quiet(GATEWAY, {ref.call: 13_000})
    await stage.watch.sweep()
    assert [body.reason for _, body in stage.annals.ends] == [EndReason.GHOST]
    assert stage.nothing_is_held()


async def test_a_gateway_speaks_for_its_own_calls_only() -> None:
    stage, ref = await a_stage()
    stage.watch.note_quiet("gateway-2", {ref.call: 60_000, "no such call": 60_000})
    await stage.watch.sweep()
    assert stage.hall.hung_up == []


async def test_the_calls_of_a_gateway_that_falls_silent_are_detached_then_ended_and_no_others() -> None:
    stage, ref = await a_stage()
    stage.beat(Role.GATEWAY, "gateway-2")
    other = await stage.opened(gateway="gateway-2")
    stage.annals.known[other.call] = STARTED
    await live(stage, 3, silent=GATEWAY)
    assert stage.annals.detachments == []
    for _ in range(17):
        stage.beat(Role.GATEWAY, "gateway-2")
        await live(stage, 1, silent=GATEWAY)
    ((call, said),) = stage.annals.detachments
    assert (call, said.gateway, said.wait_s) == (ref.call, GATEWAY, 15.0)
    ((told, body),) = stage.annals.ends
    assert (told, body.reason) == (ref, EndReason.GATEWAY_LOST)
    assert body.detail == "gateway-1 is gone, and the leg did not come again"
    assert [active.call for active in stage.lifecycle.active()] == [other.call]


async def test_a_session_that_hears_nobody_ends_nothing() -> None:
    """NATS was away for a minute: everybody is silent, and everybody is there."""
    stage, ref = await a_stage()
    for _ in range(120):
        stage.clock.tick(0.5)
        await stage.watch.sweep()
    stage.beat(Role.STT, "stt-1")
    await stage.watch.sweep()
    assert stage.annals.ends == [], "the first to be heard again does not condemn the others"
    await live(stage, 20)
    assert stage.annals.ends == []
    assert stage.lifecycle.gateway_of(ref.call) == GATEWAY
    await live(stage, 5, silent=GATEWAY)
    assert len(stage.annals.detachments) == 1


async def test_after_a_restart_a_gateway_is_given_as_long_as_one_that_falls_silent() -> None:
    stage, _ = await a_stage()
    stage.restart()
    await stage.lifecycle.restore()
    await live(stage, 4, silent=GATEWAY)
    assert stage.annals.detachments == []
    await live(stage, 2, silent=GATEWAY)
    assert len(stage.annals.detachments) == 1


async def test_a_call_that_nobody_answered_is_ended_after_as_long_as_a_ghost() -> None:
    """Its gateway gave up waiting for the session's answer, and knows of no such call."""
    stage, ref = await a_stage()
    stage.annals.known.clear()
    stage.hall.hang_up_fault = TIMEOUT
    await live(stage, 11)
    assert stage.annals.ends == []
    await live(stage, 1)
    ((told, body),) = stage.annals.ends
    assert (told, body.reason) == (ref, EndReason.GHOST)
    assert stage.nothing_is_held()


async def test_a_call_that_was_answered_is_left_alone_and_looked_up_once() -> None:
    stage, _ = await a_stage()
    await live(stage, 20)
    stage.annals.known.clear()  # whoever asked again would find nothing
    await live(stage, 20)
    assert stage.annals.ends == []
    assert len(stage.lifecycle.active()) == 1


async def test_an_end_that_was_missed_is_found_when_the_answer_is_looked_for() -> None:
    stage, ref = await a_stage()
    stage.annals.known[ref.call] = LEFT
    await live(stage, 12)
    assert [body.reason for _, body in stage.annals.ends] == [EndReason.CALLER_HUNG_UP]
    assert stage.hall.hung_up == []


async def test_a_record_that_cannot_be_read_condemns_nobody() -> None:
    stage, _ = await a_stage()
    stage.annals.away = True
    await live(stage, 11)
    with pytest.raises(BusUnavailable):
        await live(stage, 1)
    assert stage.annals.ends == []
    stage.annals.away = False
    await live(stage, 5)
    assert stage.annals.ends == []


class TestDisconnected:
    """NATS says that a connection is gone; a heartbeat after it says that the process is not."""

    async def test_who_is_not_heard_again_soon_is_lost_before_it_has_been_silent_for_long(self) -> None:
        stage, ref = await a_stage()
        stage.beat(Role.STT, "stt-2")
        stage.watch.disconnected(["stt-1"])
        await pass_time(stage, 1.4)
        assert stage.annals.reassignments == []
        await pass_time(stage, 0.2)
        assert [(call, body.process) for call, body in stage.annals.reassignments] == [(ref.call, "stt-2")]

    async def test_who_is_heard_again_is_not(self) -> None:
        stage, _ = await a_stage()
        stage.beat(Role.STT, "stt-2")
        stage.watch.disconnected(["stt-1", "tts-1", GATEWAY, "nobody"])
        stage.clock.tick(0.5)
        for role in Role:
            stage.beat(role, f"{role}-1")
        await pass_time(stage, 1.5)
        assert (stage.annals.reassignments, stage.annals.detachments) == ([], [])

    async def test_where_everybody_goes_at_once_nobody_is_lost(self) -> None:
        """NATS was restarted: all were cut off, the session too, and come back in their own time."""
        stage, _ = await a_stage()
        stage.watch.disconnected([f"{role}-1" for role in Role])
        stage.clock.tick(2.5)  # nobody is heard, and then first the gateway
        stage.watch.look()
        stage.beat(Role.GATEWAY, GATEWAY)
        await pass_time(stage, 1.5)
        assert (stage.annals.reassignments, stage.annals.detachments) == ([], [])
        await live(stage, 6)
        assert (stage.annals.reassignments, stage.annals.detachments) == ([], [])

    async def test_the_calls_of_a_gateway_are_detached(self) -> None:
        stage, ref = await a_stage()
        stage.watch.disconnected([GATEWAY])
        await pass_time(stage, 1.6)
        assert [call for call, _ in stage.annals.detachments] == [ref.call]


async def pass_time(stage: Stage, seconds: float) -> None:
    """Let time pass in which only llm-1 is heard."""
    for _ in range(round(seconds * 10)):
        stage.clock.tick(0.1)
        stage.beat(Role.LLM, "llm-1")
        stage.watch.look()
        await stage.settle()
