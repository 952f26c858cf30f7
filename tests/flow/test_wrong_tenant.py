"""Who says the right call id under the wrong tenant's name reaches nothing of the call, on any subject.

Which service may speak on a subject at all is `test_permissions.py`; here a service that may is mistaken, or
was broken into: everything that a tenant can be named in names another than the call's.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any, TypeVar

import pytest
from nats.errors import NoRespondersError

import analytics_service.app
from analytics_service.settings import Settings as AnalyticsSettings
from contracts import messages as m
from contracts.channel import Plane
from contracts.channels import (
    AGENT_AUDIO,
    ANALYTICS_CALLS,
    ANALYTICS_TRANSCRIPT,
    CALLER_AUDIO,
    CHANNELS,
    CONFIGURATION_BROKEN,
    SESSION_ACTIVE,
    SESSION_CALLS,
    SESSION_COUNTS,
    SESSION_END,
)
from contracts.examples import EXAMPLES, Example
from contracts.frames import Codec, Frame, encode_frame
from contracts.identities import CallRef, uuid7
from contracts.messages import CallEnded, EndReason, Event, PlayoutEnded, SpeechStarted, TurnEnded
from contracts.telemetry import MESSAGES_REJECTED
from tests.support.callers import caller_to, noise
from tests.support.platform import SYNTHETIC_NUMBER, Platform, platform
from tests.support.resting import service
from tests.support.waiting import eventually

THIEF = "thief"
_RNG = Random(1)
BodyT = TypeVar("BodyT", bound=m.Message)


def of_calls(*planes: Plane) -> Iterator[Example]:
    """What is said about calls, one example of each kind and more."""
    return (one for one in EXAMPLES if one.channel.plane in planes and "call" in one.channel.tokens)


def restamped(example: Example, tenant: str, call: str) -> bytes:
    """The example's event as one of this call and tenant."""
    assert isinstance(example.message, Event)
    fresh = uuid7(time.time_ns() // 1_000_000, _RNG)
    changes = {"id": fresh, "tenant": tenant, "call": call, "epoch": 1}
    return example.message.model_copy(update=changes).model_dump_json().encode()


async def say_every_event(running: Platform, ref: CallRef) -> int:
    """As an event of the thief's call of that id, and as the call's own that says it is the thief's."""
    said = 0
    for example in of_calls(Plane.RECORD, Plane.LIVE):
        data = restamped(example, THIEF, ref.call)
        for tenant in (THIEF, ref.tenant):
            subject = example.channel.subject(tenant=tenant, call=ref.call)
            await running.bus.client.publish(subject, data)
        said += 1
    return said


async def play_sound(running: Platform, ref: CallRef) -> None:
    """A caller's speech to stt, and an agent's to the gateway, both loud."""
    sound = noise(0.6).mulaw
    for at in range(len(sound) // 160):
        payload = sound[at * 160 : (at + 1) * 160]
        frame = Frame(Codec.MULAW, 8000, at + 1, time.time_ns() // 1000, payload, epoch=1, reply=2)
        for row, service_name in ((CALLER_AUDIO, "stt"), (AGENT_AUDIO, "gateway")):
            process = running.contexts[service_name].process
            subject = row.subject(process=process, tenant=THIEF, call=ref.call)
            await running.bus.client.publish(subject, encode_frame(frame))


async def command(running: Platform, ref: CallRef) -> int:
    """Every command that a call takes."""
    commands = [one for one in of_calls(Plane.COMMAND) if not one.answer]
    for example in commands:
        subject = example.channel.subject(tenant=THIEF, call=ref.call)
        with pytest.raises(NoRespondersError):
            await running.bus.client.request(subject, example.data, timeout=20)
    return len(commands)


async def ask(running: Platform, ref: CallRef) -> None:
    """Every question about calls that names a tenant."""
    ask, call = running.bus.request, ref.call
    live = await ask(SESSION_CALLS, m.ListLiveCalls(tenant=THIEF, call=call), m.LiveCalls, timeout_s=20)
    assert (live.items, live.error) == ((), None)
    active = m.ListActiveCalls(tenant=THIEF, number=SYNTHETIC_NUMBER)
    held = await ask(SESSION_ACTIVE, active, m.ActiveCalls, timeout_s=20)
    assert (held.calls, held.counts.numbers) == ((), {})
    counted = await ask(SESSION_COUNTS, m.CountCalls(tenant=THIEF), m.CountedCalls, timeout_s=20)
    assert counted.counts.numbers == {}
    ended = await ask(SESSION_END, m.EndCall(tenant=THIEF, call=call), m.EndCallReply, timeout_s=20)
    assert ended.error is not None
    assert ended.error.status == 404
    for number in (None, SYNTHETIC_NUMBER):
        wanted = m.ListCalls(tenant=THIEF, number=number)
        kept = await ask(ANALYTICS_CALLS, wanted, m.CallRecords, timeout_s=20)
        assert [one for one in kept.items if one.carrier_call_id.startswith("CA0")] == []
    told = m.GetTranscript(tenant=THIEF, call=call)
    lines = await ask(ANALYTICS_TRANSCRIPT, told, m.Transcript, timeout_s=20)
    assert [line for line in lines.items if line.text_pii == "our secret"] == []


async def test_a_call_goes_on_as_if_nobody_had_spoken(nats_url: str, tmp_path: Path) -> None:
    analytics = AnalyticsSettings(nats_url=nats_url, home=tmp_path / "home", analytics_batch_s=0.1)
    async with (
        platform(nats_url, tmp_path) as running,
        service(analytics_service.app.SERVICE, analytics),
        caller_to(running) as caller,
    ):
        await running.record.wait_for(PlayoutEnded)
        ref = await running.only_call()
        heard = caller.ear.frames
        known = len(own_events(running, ref))

        assert await say_every_event(running, ref) > 15
        await play_sound(running, ref)
        assert await command(running, ref) >= 2
        await ask(running, ref)
        await running.bus.flush()
        gateway = running.contexts["gateway"].metrics.counter(MESSAGES_REJECTED).counts
        await eventually(lambda: sum(gateway.values()), "what contradicts its subject is counted")

        assert len(own_events(running, ref)) == known
        assert caller.ear.frames == heard
        assert [one.call for one in (await running.active_calls()).calls] == [ref.call]
        said = caller.say(noise(0.6))
        await eventually(said.finished.is_set, "it has spoken")
        await eventually(lambda: bodies(running, ref, PlayoutEnded, 2), "it is answered")
        assert [turn.turn for turn in bodies(running, ref, TurnEnded)] == [1]
        assert [speech.turn for speech in bodies(running, ref, SpeechStarted)] == [1]
    (ended,) = bodies(running, ref, CallEnded)
    assert ended.reason is EndReason.CALLER_HUNG_UP


def own_events(running: Platform, ref: CallRef) -> list[Event[Any]]:
    return [one for one in running.record.events if one.ref == ref]


def bodies(running: Platform, ref: CallRef, kind: type[BodyT], at_least: int = 0) -> list[BodyT]:
    """The events of one kind of the call, if there are so many."""
    found = [one.body for one in own_events(running, ref) if isinstance(one.body, kind)]
    return found if len(found) >= at_least else []


def test_every_subject_that_names_a_tenant_is_tried() -> None:
    named = {row.name for row in CHANNELS if "tenant" in row.tokens}
    tried = {one.channel.name for one in of_calls(Plane.RECORD, Plane.LIVE, Plane.COMMAND)}
    assert named == tried | {CALLER_AUDIO.name, AGENT_AUDIO.name, CONFIGURATION_BROKEN.name}
