"""nats-server is killed and started again while calls run: they go on, and the record is whole."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import pytest

from bench.chaos.invariants import judge
from bench.chaos.record import whole_record
from contracts.channels import TRANSCRIPT_PARTIAL
from contracts.messages import (
    CallEnded,
    EndReason,
    Message,
    Outcome,
    PlayoutEnded,
    PlayoutStarted,
    SpeechDismissed,
    SpeechStarted,
    TurnEnded,
)
from contracts.telemetry import EVENTS_LOST, EVENTS_PUBLISHED
from contracts.wire import channel_of
from tests.support.callers import caller_to, noise
from tests.support.platform import Platform, platform
from tests.support.waiting import eventually
from trunkline.nats_server import NatsServer

BRIEF = {"tts_synthetic_audio_ms": 500}


async def restart(server: NatsServer) -> None:
    """Kill it as a crash does, and start it on what it had stored."""
    await asyncio.to_thread(server.kill)
    await asyncio.to_thread(server.start)


async def assert_the_record_is_whole(running: Platform) -> None:
    """Each event that a service published is in the stream, once, and no promise to a caller is broken."""
    contexts = running.contexts.values()
    await eventually(lambda: not any(one.bus.unacknowledged for one in contexts), "every event stored", 20)
    record = await whole_record(running.bus)
    published: Counter[str] = Counter()
    for context in contexts:
        assert context.metrics.counter(EVENTS_LOST).total() == 0
        for (name,), count in context.metrics.counter(EVENTS_PUBLISHED).counts.items():
            published[name] += count
    del published[TRANSCRIPT_PARTIAL.name]
    assert Counter(channel_of(event.body).name for event in record) == +published
    assert len({event.id for event in record}) == len(record)
    assert judge(record) == []


@pytest.mark.parametrize(("moment", "count"), [(SpeechStarted, 1), (TurnEnded, 1), (PlayoutStarted, 3)])
async def test_calls_outlive_a_restart_of_nats(
    nats_server: NatsServer, tmp_path: Path, moment: type[Message], count: int
) -> None:
    async with platform(nats_server.url, tmp_path, settings=BRIEF) as running:
        async with caller_to(running) as caller, caller_to(running) as silent:
            await running.record.wait_for(PlayoutEnded, 2)
            caller.say(noise(0.8))
            await running.record.wait_for(moment, count)
            await restart(nats_server)
            await running.record.wait_for(PlayoutEnded, 3)
            silent.say(noise(0.5))
            async with caller_to(running) as late:
                await running.record.wait_for(PlayoutEnded, 5)
                late.say(noise(0.5))
                await running.record.wait_for(PlayoutEnded, 6)
            # Audio that is on its way in the moment of the crash is lost, and said again.
            assert {body.outcome for body in running.record.bodies(PlayoutEnded)} == {Outcome.DONE}
            assert not running.record.bodies(SpeechDismissed), "no turn is cut in two"
            assert [round(turn.audio_ms, -2) for turn in running.record.bodies(TurnEnded)] == [800, 500, 500]
        ended = await running.record.wait_for(CallEnded, 3)
        assert {body.reason for body in ended} == {EndReason.CALLER_HUNG_UP}
        assert not (await running.active_calls()).calls
        await assert_the_record_is_whole(running)
