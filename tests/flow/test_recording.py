"""A call is recorded from the bus into a file, and nothing of a tenant that does not allow it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from contracts.messages import CallEnded, PlayoutEnded
from runtime.clock import SystemClock
from tests.support.callers import caller_to, noise
from tests.support.platform import Platform, platform
from tests.support.recordings import consenting
from tests.support.waiting import eventually
from trunkline.bus_client import open_bus
from trunkline.recording.calls import replayable, why_not
from trunkline.recording.index import Preamble
from trunkline.recording.reader import open_recording
from trunkline.recording.recorder import Recorder, Wanted
from trunkline.recording.writer import RecordingWriter


@asynccontextmanager
async def recorded_to(path: Path, nats_url: str, wanted: Wanted | None = None) -> AsyncIterator[Recorder]:
    wanted, clock = wanted or Wanted(), SystemClock()
    async with open_bus(nats_url) as bus:
        preamble = Preamble(trunkline="test", began_us=clock.now_us(), audio=wanted.audio)
        recorder = Recorder(bus, RecordingWriter(path, preamble), wanted, clock)
        await recorder.start()
        try:
            yield recorder
        finally:
            await recorder.stop()


async def one_turn(running: Platform) -> None:
    async with caller_to(running) as caller:
        await running.record.wait_for(PlayoutEnded)
        caller.say(noise(0.6))
        await running.record.wait_for(PlayoutEnded, 2)
    await running.record.wait_for(CallEnded)


async def test_a_call_is_recorded_whole(nats_url: str, tmp_path: Path) -> None:
    path = tmp_path / "calls.tlrec"
    settings = {"router_tenants_file": consenting(tmp_path)}
    async with (
        platform(nats_url, tmp_path, settings=settings) as running,
        recorded_to(path, nats_url) as recorder,
    ):
        await one_turn(running)
        await eventually(lambda: recorder.ended == 1, "the end is recorded")
    with open_recording(path) as recording:
        (entry,) = recording.index.calls
        (call,), left_out = replayable(recording)
    assert not left_out
    assert recording.index.lost == recording.index.late == 0
    assert entry.agent_frames > 20
    assert call.audio.missing == 0
    assert noise(0.6).mulaw in call.audio.mulaw
    assert [turn.turn for turn in call.conversation.turns] == [None, 1]
    assert call.conversation.heard_out
    assert set(call.conversation.turns[1].stages) == {
        "endpoint",
        "stt_decode",
        "llm_first_sentence",
        "tts_first_audio",
        "voice_to_voice",
    }


async def test_of_a_tenant_that_does_not_allow_it_nothing_said_is_kept(nats_url: str, tmp_path: Path) -> None:
    path = tmp_path / "calls.tlrec"
    async with platform(nats_url, tmp_path) as running:
        async with recorded_to(path, nats_url) as recorder:
            await one_turn(running)
            await eventually(lambda: recorder.ended == 1, "the end is recorded")
            assert recorder.withheld_tenants == {"load-lab"}
        said = {body.text_pii for body in running.record.bodies(object) if hasattr(body, "text_pii")}
    assert len(said) > 1
    with open_recording(path) as recording:
        (entry,) = recording.index.calls
        kept = b"".join(message.payload for message in recording.messages())
    assert entry.caller_frames == entry.agent_frames == 0
    assert why_not(entry) == "its tenant does not allow recording"
    assert entry.messages > 5
    for text in (*said, "+15550123"):
        assert text.encode() not in kept


async def test_only_what_was_asked_for_and_from_its_beginning(nats_url: str, tmp_path: Path) -> None:
    path = tmp_path / "calls.tlrec"
    settings = {"router_tenants_file": consenting(tmp_path)}
    async with platform(nats_url, tmp_path, settings=settings) as running, caller_to(running) as early:
        await running.record.wait_for(PlayoutEnded)
        wanted = Wanted(numbers=frozenset({"+15550199"}), audio=False)
        nobody = Wanted(tenants=frozenset({"bright-smile"}))
        async with (
            recorded_to(path, nats_url, wanted) as recorder,
            recorded_to(tmp_path / "nobody.tlrec", nats_url, nobody) as other,
        ):
            async with caller_to(running):
                await running.record.wait_for(PlayoutEnded, 2)
            await early.hang_up()
            await running.record.wait_for(CallEnded, 2)
            await eventually(lambda: recorder.ended == 1, "the end is recorded")
            assert other.messages == 0
    with open_recording(path) as recording:
        (entry,) = recording.index.calls
        assert recording.index.late == 1
        assert entry.carrier_call_id != early.dialling.carrier_call_id
        assert entry.caller_frames == 0
        assert why_not(entry) == "no audio was recorded"
