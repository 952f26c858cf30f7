"""A speech recognition worker is killed, or stands still, in the midst of a turn; another one goes on.

Both are real processes on a real nats-server. What the session and the gateway do in this is done here, by
the rules of docs/adr/0013-failover.md.
"""

from __future__ import annotations

import random
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from audio.codec import encode, to_pcm16
from contracts.channels import ASSIGN, CALLER_AUDIO, TAKE_OVER
from contracts.epochs import believed
from contracts.examples.practice import RECEPTION
from contracts.frames import Codec, Frame
from contracts.identities import CallRef, uuid7
from contracts.messages import (
    Assign,
    Assigned,
    CallReassigned,
    Endpointing,
    EngineChain,
    Event,
    Replaced,
    Role,
    SpeechStarted,
    TakenOver,
    TakeOver,
    TurnEnded,
)
from runtime.bus import Bus
from runtime.settings import ProcessSettings
from tests.support.child import Child, child
from tests.support.context import service_context
from tests.support.records import whole_record_of
from tests.support.waiting import eventually

CALL = CallRef("acme", uuid7(1_767_225_600_000, random.Random(3)))
START_US = 1_767_225_600_000_000
SYNTHETIC = RECEPTION.model_copy(
    update={"engines": EngineChain(stt=("synthetic",)), "endpointing": Endpointing(finished_ms=350)}
)
FRAME = 160


class Office:
    """The session and the gateway of one call. The gateway keeps every frame, and sends it to `hearer`."""

    def __init__(self, bus: Bus) -> None:
        self.bus = bus
        self.kept: list[Frame] = []
        self.hearer = "stt-1"
        self.asked: list[TakeOver] = []
        self.events: list[Event[Any]] = []
        self._noise = np.random.default_rng(5)

    async def open(self) -> None:
        await self.bus.on_events(CALL, self._hear)
        subject = TAKE_OVER.subject(tenant=CALL.tenant, call=CALL.call)
        await self.bus.respond(subject, TakeOver, TakenOver, self._take_over)
        await self.assign(1)

    async def _hear(self, event: Event[Any]) -> None:
        self.events.append(event)

    async def _take_over(self, command: TakeOver) -> TakenOver:
        self.asked.append(command)
        self.hearer = command.process
        wanted = [frame for frame in self.kept if frame.at_us > command.after_us]
        for frame in wanted:
            await self._send(frame)
        return TakenOver(frames=len(wanted))

    async def _send(self, frame: Frame) -> None:
        subject = CALLER_AUDIO.subject(process=self.hearer, tenant=CALL.tenant, call=CALL.call)
        self.bus.send_frame(subject, frame)

    async def caller(self, ms: int, level: float) -> None:
        """The caller makes noise of that level (0.1 is a voice to the energy detector), all at once."""
        pcm = to_pcm16((self._noise.standard_normal(ms * 8) * level).astype(np.float32))
        for at in range(0, len(pcm), FRAME):
            number = len(self.kept) + 1
            payload = encode(Codec.MULAW, pcm[at : at + FRAME])
            frame = Frame(Codec.MULAW, 8_000, number, START_US + number * 20_000, payload, epoch=1)
            self.kept.append(frame)
            await self._send(frame)

    async def assign(self, epoch: int) -> None:
        process = self.hearer if epoch == 1 else f"stt-{2 - epoch % 2}"
        assign = Assign(
            call=CALL.call,
            tenant=CALL.tenant,
            epoch=epoch,
            gateway="gateway-1",
            workers={Role.STT: process},
            assistant=SYNTHETIC,
            since={Role.STT: epoch},
            resumed=epoch > 1,
        )
        assigned = await self.bus.request(ASSIGN, assign, Assigned, timeout_s=20, role="stt", process=process)
        assert assigned.error is None

    async def replace(self, epoch: int) -> None:
        """An odd epoch is for stt-1, an even one for stt-2."""
        before, process = f"stt-{1 + epoch % 2}", f"stt-{2 - epoch % 2}"
        body = CallReassigned(role=Role.STT, process=process, epoch=epoch, before=before, why=Replaced.LOST)
        await self.bus.publish_event(CALL, body)
        await self.assign(epoch)

    async def heard(self, kind: type[Any], count: int = 1) -> list[Event[Any]]:
        def found() -> list[Event[Any]]:
            return [event for event in believed(self.events) if isinstance(event.body, kind)]

        await eventually(lambda: len(found()) >= count, f"{count} {kind.__name__}", 15)
        return found()

    async def record(self, kind: type[Any]) -> list[Event[Any]]:
        """What counts in the end, as the stream has it."""
        return [
            event for event in believed(await whole_record_of(self.bus, CALL)) if isinstance(event.body, kind)
        ]


@asynccontextmanager
async def worker(nats_url: str, home: Path, name: str) -> AsyncIterator[Child]:
    settings = {"NATS_URL": nats_url, "PROCESS": name, "HOME": str(home), "STT_PRELOAD": "synthetic"}
    environment = {f"TRUNKLINE_{key}": value for key, value in settings.items()}
    async with child("-m", "stt_service", env=environment) as running:
        await running.says("ready")
        yield running


@pytest.fixture
async def office(nats_url: str) -> AsyncIterator[Office]:
    async with service_context(ProcessSettings(nats_url=nats_url), "office") as context:
        yield Office(context.bus)


@pytest.fixture
async def workers(nats_url: str, tmp_path: Path) -> AsyncIterator[tuple[Child, Child]]:
    async with worker(nats_url, tmp_path, "stt-1") as first, worker(nats_url, tmp_path, "stt-2") as second:
        yield first, second


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "frozen"])
async def test_a_turn_is_heard_to_its_end_by_another_worker(
    office: Office, workers: tuple[Child, Child], number: signal.Signals
) -> None:
    await office.open()
    await office.caller(500, 1e-3)
    await office.caller(600, 0.1)
    await office.heard(SpeechStarted)
    workers[0].send(number)
    await office.caller(400, 0.1)
    await office.caller(900, 1e-3)
    await office.replace(2)
    (ended,) = await office.heard(TurnEnded)
    assert (ended.epoch, ended.body.turn) == (2, 1)
    assert ended.body.audio_ms == pytest.approx(1_000, abs=40), "all of it, from before and after"
    (started,) = await office.heard(SpeechStarted)
    assert ended.cause == started.id, "it was announced once, by the one before"
    assert ended.body.speech_started_us == started.body.started_us
    assert [asked.after_us for asked in office.asked] == [started.body.started_us - 1_500_000]
    await office.caller(500, 0.1)
    await office.caller(900, 1e-3)
    _, second = await office.heard(TurnEnded, 2)
    assert (second.epoch, second.body.turn) == (2, 2)
    if number is signal.SIGSTOP:
        await _wakes_and_is_fenced(office, workers[0])


async def _wakes_and_is_fenced(office: Office, frozen: Child) -> None:
    """What it says of the frames that lay before it counts no more; and it can be given the call again."""
    frozen.send(signal.SIGCONT)
    await frozen.says("another's since epoch 2")
    await office.replace(3)
    await office.caller(500, 0.1)
    await office.caller(900, 1e-3)
    turns = await office.heard(TurnEnded, 3)
    assert [(event.epoch, event.body.turn) for event in turns] == [(2, 1), (2, 2), (3, 3)]
    assert office.asked[1].after_us == turns[1].body.speech_ended_us
    assert await office.bus.settle(5)
    assert [event.id for event in await office.record(TurnEnded)] == [event.id for event in turns]
    assert [event.body.turn for event in await office.record(SpeechStarted)] == [1, 2, 3]


async def test_a_call_that_has_just_begun_is_heard_from_its_first_frame(
    office: Office, workers: tuple[Child, Child]
) -> None:
    await office.open()
    workers[0].send(signal.SIGKILL)
    await office.caller(300, 1e-3)
    await office.caller(600, 0.1)
    await office.replace(2)
    await office.caller(900, 1e-3)
    (started,) = await office.heard(SpeechStarted)
    (ended,) = await office.heard(TurnEnded)
    assert (started.epoch, ended.epoch, ended.body.turn) == (2, 2, 1)
    assert ended.body.audio_ms == pytest.approx(600, abs=40)
