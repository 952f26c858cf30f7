"""One process is cut off from NATS, or everything to and from it is swallowed, while its call runs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.chaos.invariants import judge, stories
from bench.chaos.record import whole_record
from contracts.messages import (
    CallDetached,
    CallEnded,
    CallReassigned,
    EndReason,
    LeaderLease,
    Outcome,
    PlayoutEnded,
    Replaced,
    Role,
    TurnEnded,
)
from contracts.streams import LEASE_KEY, LEASES_BUCKET
from runtime.storage import Bucket
from tests.support.callers import caller_to, noise
from tests.support.cuttable import Cuttable, cuttable
from tests.support.platform import Platform, platform
from tests.support.waiting import eventually
from trunkline.nats_server import NatsServer

BRIEF = {"tts_synthetic_audio_ms": 500}
LOSSES = pytest.mark.parametrize("lose", [Cuttable.cut, Cuttable.stall])


async def assert_no_promise_was_broken(running: Platform) -> None:
    contexts = running.contexts.values()
    await eventually(lambda: not any(one.bus.unacknowledged for one in contexts), "every event stored", 20)
    record = await whole_record(running.bus)
    assert judge(record) == []
    assert len({event.id for event in record}) == len(record)
    assert len(stories(record)) == len(running.record.bodies(CallEnded)), "each call has ended once"


def held_by(running: Platform, name: str) -> int:
    return len(running.apps[name]._worker)  # type: ignore[attr-defined]


@LOSSES
@pytest.mark.parametrize("role", [Role.STT, Role.LLM, Role.TTS])
async def test_a_worker_that_is_cut_off_is_replaced_and_lets_go_when_it_is_back(
    nats_server: NatsServer, tmp_path: Path, role: Role, lose: Callable[[Cuttable], None]
) -> None:
    async with (
        cuttable(nats_server.port) as way,
        platform(
            nats_server.url, tmp_path, settings=BRIEF, ways={role.value: way.url}, twins=[role.value]
        ) as running,
    ):
        async with caller_to(running) as caller:
            await running.record.wait_for(PlayoutEnded)
            assert (held_by(running, role.value), held_by(running, f"{role}-twin")) == (1, 0)
            caller.say(noise(0.6))
            lose(way)
            (moved,) = await running.record.wait_for(CallReassigned)
            assert (moved.role, moved.process, moved.why) == (role, f"{role}-twin", Replaced.LOST)
            await running.record.wait_for(PlayoutEnded, 2)
            assert held_by(running, role.value) == 1, "it cannot know"
            way.mend()
            await eventually(lambda: held_by(running, role.value) == 0, "the old one lets go")
            caller.say(noise(0.5))
            await running.record.wait_for(PlayoutEnded, 3)
            assert [body.outcome for body in running.record.bodies(PlayoutEnded)] == [Outcome.DONE] * 3
            assert [body.turn for body in running.record.bodies(TurnEnded)] == [1, 2]
        await running.record.wait_for(CallEnded)
        assert not (await running.active_calls()).calls
        await assert_no_promise_was_broken(running)


@LOSSES
async def test_a_session_that_is_cut_off_leads_no_more(
    nats_server: NatsServer,
    tmp_path: Path,
    lose: Callable[[Cuttable], None],
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with (
        cuttable(nats_server.port) as way,
        platform(
            nats_server.url, tmp_path, settings=BRIEF, ways={"session": way.url}, twins=["session"]
        ) as running,
    ):
        leases = await Bucket.open(running.bus, LEASES_BUCKET, LeaderLease)
        async with caller_to(running) as before:
            await running.record.wait_for(PlayoutEnded)
            lose(way)
            async with caller_to(running) as after:
                await running.record.wait_for(PlayoutEnded, 2)
                lease = await leases.get(LEASE_KEY)
                assert lease == LeaderLease(holder="session-twin", term=2)
                way.mend()
                await eventually(lambda: "term 1 is over" in caplog.text, "the old one knows")
                for number, caller in enumerate((before, after), start=3):
                    caller.say(noise(0.5))
                    await running.record.wait_for(PlayoutEnded, number)
        ended = await running.record.wait_for(CallEnded, 2)
        assert {body.reason for body in ended} == {EndReason.CALLER_HUNG_UP}
        assert not (await running.active_calls()).calls
        await assert_no_promise_was_broken(running)


async def test_a_gateway_that_is_cut_off_for_a_moment_keeps_its_calls_and_every_word(
    nats_server: NatsServer, tmp_path: Path
) -> None:
    async with (
        cuttable(nats_server.port) as way,
        platform(nats_server.url, tmp_path, settings=BRIEF, ways={"gateway": way.url}) as running,
    ):
        async with caller_to(running) as caller:
            await running.record.wait_for(PlayoutEnded)
            said = caller.say(noise(0.6))
            way.cut()
            await said.finished.wait()
            way.mend()
            await running.record.wait_for(PlayoutEnded, 2)
            (turn,) = running.record.bodies(TurnEnded)
            assert round(turn.audio_ms, -2) == 600
        await running.record.wait_for(CallEnded)
        assert running.record.bodies(CallDetached) == []
        assert caller.returns == 0
        await assert_no_promise_was_broken(running)


@LOSSES
async def test_a_gateway_that_is_cut_off_for_longer_sends_its_leg_to_come_again(
    nats_server: NatsServer, tmp_path: Path, lose: Callable[[Cuttable], None]
) -> None:
    async with (
        cuttable(nats_server.port) as way,
        platform(nats_server.url, tmp_path, settings=BRIEF, ways={"gateway": way.url}) as running,
    ):
        async with caller_to(running) as caller:
            await running.record.wait_for(PlayoutEnded)
            lose(way)
            await running.record.wait_for(CallDetached)
            way.mend()
            (moved,) = await running.record.wait_for(CallReassigned)
            assert moved.role is Role.GATEWAY
            await eventually(lambda: caller.returns == 1, "the leg came again")
            caller.say(noise(0.5))
            await running.record.wait_for(PlayoutEnded, 2)
        (ended,) = await running.record.wait_for(CallEnded)
        assert ended.reason is EndReason.CALLER_HUNG_UP
        assert not (await running.active_calls()).calls
        await assert_no_promise_was_broken(running)


async def test_a_gateway_that_comes_back_too_late_ends_its_leg(
    nats_server: NatsServer, tmp_path: Path
) -> None:
    brief = {**BRIEF, "session_reattach_s": 0.5}
    async with (
        cuttable(nats_server.port) as way,
        platform(nats_server.url, tmp_path, settings=brief, ways={"gateway": way.url}) as running,
    ):
        caller = caller_to(running)
        await caller.dial()
        try:
            await running.record.wait_for(PlayoutEnded)
            way.cut()
            (ended,) = await running.record.wait_for(CallEnded)
            assert ended.reason is EndReason.GATEWAY_LOST
            assert not (await running.active_calls()).calls
            way.mend()
            await eventually(lambda: not len(running.apps["gateway"]._desk), "the leg is closed")  # type: ignore[attr-defined]
        finally:
            await caller.hang_up()
        await asyncio.sleep(0)
        assert len(running.record.bodies(CallEnded)) == 1
