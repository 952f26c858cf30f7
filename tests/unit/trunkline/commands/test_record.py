"""`trunkline record` as a process of its own, on a real nats-server: how it ends, and what is left."""

from __future__ import annotations

import asyncio
import random
import signal
import sys
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from contracts.channels import CALLER_AUDIO
from contracts.frames import Codec, Frame
from contracts.identities import CallRef, number_key, uuid7
from contracts.messages import AssistantSnapshot, CallEnded, CallStarted, EndReason, NumberSnapshot
from contracts.streams import ASSISTANTS_BUCKET
from runtime.bus import Bus
from runtime.settings import ProcessSettings
from runtime.storage import Bucket
from tests.support.context import service_context
from tests.support.waiting import eventually
from tests.unit.trunkline.command_line import Cli
from trunkline.errors import RecordingUnfinished
from trunkline.recording.reader import open_recording

NUMBER = "+15550100"
REF = CallRef("acme", uuid7(1_767_225_600_000, random.Random(1)))
STARTED = CallStarted(
    called=NUMBER,
    caller="+15550123",
    carrier_call_id="CA1",
    protocol="twilio",
    gateway="gateway-1",
    assistant="a",
    language="en-US",
)


@pytest.fixture
async def bus(nats_url: str) -> AsyncIterator[Bus]:
    async with service_context(ProcessSettings(nats_url=nats_url), "gateway") as context:
        numbers = await Bucket.open(context.bus, ASSISTANTS_BUCKET, NumberSnapshot)
        assistant = AssistantSnapshot(id="a", name="A", greeting="Hi.", prompt="")
        allowing = NumberSnapshot(
            number=NUMBER, tenant="acme", tenant_name="Acme", recording_allowed=True, assistant=assistant
        )
        await numbers.put(number_key(NUMBER), allowing)
        yield context.bus


@asynccontextmanager
async def recording(path: Path, nats_url: str) -> AsyncIterator[Process]:
    words = [sys.executable, "-m", "trunkline", "record", str(path), "--nats", nats_url]
    process = await asyncio.create_subprocess_exec(*words, stdout=PIPE, stderr=STDOUT)
    try:
        assert process.stdout is not None
        assert b"Recording to" in await asyncio.wait_for(process.stdout.readline(), 30)
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def say_something(bus: Bus) -> None:
    await bus.publish_event(REF, STARTED)
    subject = CALLER_AUDIO.subject(process="stt-1", **REF._asdict())
    for sequence in (1, 2, 3):
        bus.send_frame(subject, Frame(Codec.MULAW, 8_000, sequence, sequence, b"\x11" * 160))
    assert await bus.settle(5)


async def test_ctrl_c_ends_it_in_order(bus: Bus, nats_url: str, tmp_path: Path) -> None:
    path = tmp_path / "calls.tlrec"
    async with recording(path, nats_url) as process:
        await say_something(bus)
        over = CallEnded(reason=EndReason.CALLER_HUNG_UP, started_us=1, ended_us=2, duration_ms=1)
        await bus.publish_event(REF, over)
        size = path.stat().st_size
        await eventually(lambda: path.stat().st_size > size, "something is written")
        process.send_signal(signal.SIGINT)
        out, _ = await asyncio.wait_for(process.communicate(), 20)
        assert (process.returncode, "1 calls" in out.decode()) == (0, True), out
    with open_recording(path) as found:
        (entry,) = found.index.calls
        assert (entry.ref, entry.called, entry.caller_frames) == (REF, NUMBER, 3)


async def test_a_recorder_that_was_killed_leaves_what_it_had(bus: Bus, nats_url: str, tmp_path: Path) -> None:
    path = tmp_path / "calls.tlrec"
    async with recording(path, nats_url) as process:
        size = path.stat().st_size
        await say_something(bus)
        await eventually(lambda: path.stat().st_size > size + 100, "a block is written")
        process.kill()
        await process.wait()
    with pytest.raises(RecordingUnfinished), open_recording(path):
        pass
    with open_recording(path, recover=True) as found:
        assert [entry.ref for entry in found.index.calls] == [REF]
        assert list(found.messages())


def test_what_is_there_is_left_alone(cli: Cli, tmp_path: Path, nats_url: str) -> None:
    path = tmp_path / "calls.tlrec"
    path.write_text("precious")
    status, _, err = cli("record", path, "--nats", nats_url)
    assert status == 1
    assert "is there already" in err
    assert path.read_text() == "precious"


@pytest.mark.parametrize(
    ("option", "value"), [("--tenant", "A B"), ("--call", "7"), ("--number", "reception")]
)
def test_what_no_call_can_be_is_refused(cli: Cli, tmp_path: Path, option: str, value: str) -> None:
    status, _, err = cli("record", tmp_path / "x", option, value, "--nats", "nats://127.0.0.1:1")
    assert status == 1
    assert value in err
    assert not (tmp_path / "x").exists()


def test_without_a_platform_it_says_so(cli: Cli, tmp_path: Path) -> None:
    status, _, err = cli("record", tmp_path / "x")
    assert (status, "no platform runs" in err) == (1, True)


def test_a_bus_without_a_platform_is_said_to_be_one(cli: Cli, tmp_path: Path, nats_url: str) -> None:
    status, _, err = cli("record", tmp_path / "x", "--nats", nats_url)
    assert (status, "stream CALLS cannot be read" in err) == (1, True), err
    assert not (tmp_path / "x").exists()
