"""The whole service on a real nats-server: frames in, events out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest

from audio.codec import encode, to_pcm16
from bench.words import normalize
from contracts.channels import ASSIGN, CALLER_AUDIO
from contracts.errors import ErrorCode
from contracts.frames import Codec, Frame
from contracts.identities import CallRef, uuid7
from contracts.messages import (
    Assign,
    Assigned,
    AssistantSnapshot,
    CallEnded,
    CallReassigned,
    EndReason,
    EngineChain,
    EngineFailed,
    Event,
    PartialTranscript,
    Replaced,
    Role,
    SpeechDismissed,
    SpeechStarted,
    TurnEnded,
)
from contracts.telemetry import FRAMES_DROPPED, FRAMES_IN, MESSAGES_REJECTED, STALE_EPOCH
from models.errors import ModelMissing
from runtime.process import Context
from stt_service.app import SttApp, build
from stt_service.engines import ENGINES, Ground
from stt_service.errors import EngineFault, UnknownEngine
from stt_service.ports import Samples, Transcriber
from stt_service.settings import Settings
from tests.support.context import service_context
from tests.support.waiting import eventually
from tests.unit.stt_service.engines_under_test import EagerEngine, HandEngine, segment
from tests.unit.stt_service.speech import clips, silence, voice

START_US = 1_767_225_600_000_000
SYNTHETIC = ("synthetic",)


class Line:
    """One call: its frames on the way in, and what the service says of it."""

    def __init__(self, service: Service, ref: CallRef) -> None:
        self.ref = ref
        self.service = service
        self.events: list[Event[Any]] = []
        self.sequence = 0
        self.subject = CALLER_AUDIO.subject(process=service.context.process, tenant=ref.tenant, call=ref.call)

    async def hear(self, event: Event[Any]) -> None:
        self.events.append(event)

    async def say(self, *sounds: Samples, epoch: int = 1) -> None:
        pcm = to_pcm16(np.concatenate(sounds))
        for at in range(0, len(pcm) - 159, 160):
            at_us = START_US + (self.sequence + 1) * 20_000
            payload = encode(Codec.MULAW, pcm[at : at + 160])
            await self.send(Frame(Codec.MULAW, 8_000, self.sequence, at_us, payload, epoch=epoch))
            self.sequence += 1

    async def send(self, frame: Frame) -> None:
        self.service.watcher.bus.send_frame(self.subject, frame)

    async def said(self, kind: type[Any], count: int = 1) -> list[Event[Any]]:
        def found() -> list[Event[Any]]:
            return [event for event in self.events if isinstance(event.body, kind)]

        await eventually(lambda: len(found()) >= count, f"{count} {kind.__name__} in {self.events}", 20.0)
        return found()


class Service:
    """A started service, and a connection that stands for everybody else."""

    def __init__(self, app: SttApp, context: Context, watcher: Context) -> None:
        self.app = app
        self.context = context
        self.watcher = watcher
        self._rng = Random(5)

    async def assign(
        self,
        ref: CallRef,
        engines: tuple[str, ...] = SYNTHETIC,
        epoch: int = 1,
        language: str = "en-US",
        share: int = 1,
    ) -> Assigned:
        chain = EngineChain(stt=engines)
        assistant = AssistantSnapshot(
            id="desk", name="Desk", language=language, greeting="Hi.", prompt="Be kind.", engines=chain
        )
        assign = Assign(
            call=ref.call,
            tenant=ref.tenant,
            epoch=epoch,
            gateway="gateway-1",
            workers={Role.STT: self.context.process},
            assistant=assistant,
            share=share,
        )
        return await self.watcher.bus.request(
            ASSIGN, assign, Assigned, timeout_s=20, role="stt", process=self.context.process
        )

    def new_ref(self) -> CallRef:
        return CallRef("acme", uuid7(START_US // 1000, self._rng))

    async def call(self, engines: tuple[str, ...] = SYNTHETIC) -> Line:
        line = Line(self, self.new_ref())
        assigned = await self.assign(line.ref, engines)
        assert assigned.error is None
        await self.watcher.bus.on_events(line.ref, line.hear)
        await self.watcher.bus.on_live(line.ref, line.hear)
        await self.watcher.bus.flush()
        return line

    def count(self, metric: Any, *labels: str) -> int:
        return self.context.metrics.counter(metric).counts[labels]


@asynccontextmanager
async def a_service(
    nats_url: str, home: Path, factories: dict[str, Any] | None = None, **values: Any
) -> AsyncIterator[Service]:
    settings = Settings.model_validate(
        {"nats_url": nats_url, "home": home, "stt_preload": SYNTHETIC, "stt_queue_frames": 1_000, **values}
    )
    failures: list[BaseException] = []
    async with (
        service_context(settings, "stt", on_task_failure=failures.append) as context,
        service_context(settings, "watcher") as watcher,
    ):
        app = build(settings, context) if factories is None else SttApp(settings, context, factories)
        await app.start()
        await context.bus.flush()
        yield Service(app, context, watcher)
        await app.stop()
    assert failures == []


@pytest.fixture
async def service(nats_url: str, home: Path) -> AsyncIterator[Service]:
    async with a_service(nats_url, home) as started:
        yield started


async def test_real_speech_becomes_a_turn_with_true_times(nats_url: str, home: Path) -> None:
    (clip,) = clips("af_heart/02.wav")
    async with a_service(nats_url, home, stt_preload=("whisper",), stt_partial_every_ms=300) as service:
        line = await service.call(("whisper",))
        await line.say(silence(500), clip.samples[: clip.ends])
        await line.said(SpeechStarted)
        await line.said(PartialTranscript)
        await line.say(silence(1_500))
        (ended,) = await line.said(TurnEnded)
        (started,) = await line.said(SpeechStarted)
    assert normalize(ended.body.text_pii) == normalize(clip.text)
    assert ended.cause == started.id
    assert ended.epoch == started.epoch == 1
    assert (ended.body.turn, ended.body.engine, ended.body.language) == (1, "whisper", "en")
    spoken_us = START_US + 500_000
    assert abs(ended.body.speech_ended_us - (spoken_us + clip.ends * 125)) <= 40_000
    assert 0 <= started.body.started_us - spoken_us <= 200_000
    assert ended.body.decode_ms > 0


async def test_two_calls_at_once_stay_two(service: Service) -> None:
    first, second = await service.call(), await service.call()
    await asyncio.gather(
        first.say(silence(500), voice(600), silence(900)), second.say(silence(700), voice(900), silence(900))
    )
    (one,), (two,) = await first.said(TurnEnded), await second.said(TurnEnded)
    assert one.body.audio_ms == pytest.approx(600, abs=40)
    assert two.body.audio_ms == pytest.approx(900, abs=40)
    await eventually(lambda: service.count(FRAMES_IN) == 100 + 125, "every frame to be counted")


async def test_junk_on_the_audio_subject_disturbs_nobody(service: Service) -> None:
    line = await service.call()
    await line.say(silence(500), voice(600))
    for junk in (b"", b"junk", bytes(400), b"\x54\x01" + bytes(26)):
        await service.watcher.bus.client.publish(line.subject, junk)
    stranger = CALLER_AUDIO.subject(
        process=service.context.process, tenant="acme", call=service.new_ref().call
    )
    service.watcher.bus.send_frame(stranger, Frame(Codec.MULAW, 8_000, 0, 0, bytes(160), epoch=1))
    await line.say(silence(900))
    await line.said(TurnEnded)
    assert service.count(MESSAGES_REJECTED, "audio", ErrorCode.BAD_FRAME) == 4
    assert service.count(FRAMES_DROPPED, "unknown_call") == 1


async def test_frames_of_a_gateway_that_was_replaced_are_ignored(service: Service) -> None:
    line = await service.call()
    await line.say(silence(500))
    moved = CallReassigned(
        role=Role.GATEWAY, process="gateway-2", epoch=2, before="gateway-1", why=Replaced.LOST
    )
    await service.watcher.bus.publish_event(line.ref, moved)
    held = service.app._handlers._calls[line.ref]
    await eventually(lambda: held.gateway_epoch == 2, "it hears of it")
    await line.say(voice(600), silence(900), epoch=1)
    line.sequence = 0
    await line.say(silence(500), voice(800), silence(900), epoch=2)
    (ended,) = await line.said(TurnEnded)
    assert ended.body.audio_ms == pytest.approx(800, abs=40)
    assert ended.epoch == 1, "stt itself stays who it was"
    assert service.count(STALE_EPOCH) == 75


async def test_an_unknown_engine_is_refused_by_name_with_the_known_ones(service: Service) -> None:
    assigned = await service.assign(service.new_ref(), engines=("vosk",))
    assert assigned.error is not None
    assert assigned.error.code is ErrorCode.BAD_CONFIGURATION
    assert "'vosk'" in assigned.error.message
    assert "whisper, synthetic" in assigned.error.mend


async def test_an_engine_that_fails_is_named_and_the_next_one_answers(nats_url: str, home: Path) -> None:
    def broken(_ground: Ground) -> Transcriber:
        return EagerEngine(error=EngineFault("it broke"))

    factories = {**ENGINES, "broken": broken}
    async with a_service(nats_url, home, factories) as service:
        line = await service.call(("broken", "synthetic"))
        (clip,) = clips("bf_emma/02.wav")
        await line.say(silence(500), clip.samples, silence(900))
        (ended,) = await line.said(TurnEnded)
        (failed,) = await line.said(EngineFailed)
        assert (failed.body.engine, failed.body.next_engine) == ("broken", "synthetic")
        assert ended.body.engine == "synthetic"
        alone = await service.call(("broken",))
        await alone.say(silence(500), clip.samples, silence(900))
        await alone.said(SpeechDismissed)
        (last,) = await alone.said(EngineFailed)
        assert last.body.next_engine is None


async def test_a_call_that_ended_is_let_go_of(service: Service) -> None:
    line = await service.call()
    await line.say(silence(500), voice(600))
    await line.said(SpeechStarted)
    over = CallEnded(reason=EndReason.CALLER_HUNG_UP, started_us=0, ended_us=1, duration_ms=0.001)
    await service.watcher.bus.publish_event(line.ref, over)
    await eventually(lambda: not service.app._handlers._calls, "the call to be dropped")
    dropped = service.count(FRAMES_DROPPED, "unknown_call")
    await line.say(silence(200))
    await eventually(
        lambda: service.count(FRAMES_DROPPED, "unknown_call") == dropped + 10, "frames to be counted"
    )
    await service.app.drain()


async def test_a_turn_ends_though_frames_stop_coming(nats_url: str, home: Path) -> None:
    async with a_service(nats_url, home, stt_starved_ms=100) as service:
        line = await service.call()
        await line.say(silence(500), voice(600))
        await line.said(SpeechStarted)
        await line.said(TurnEnded)


async def test_more_frames_than_a_call_may_have_waiting_cost_only_that_call(
    nats_url: str, home: Path
) -> None:
    async with a_service(nats_url, home, stt_queue_frames=5) as service:
        line = await service.call()
        held = service.app._handlers._calls[line.ref]
        for sequence in range(12):  # in one go: the detection loop has no turn in between
            frame = Frame(Codec.MULAW, 8_000, sequence, START_US, bytes(160), epoch=1)
            service.app._handlers.on_frames(line.ref, [frame])
        assert service.count(FRAMES_DROPPED, "queue_full") == 7
        assert held.call.next_window() is not None


async def test_a_service_that_cannot_recognize_does_not_start(nats_url: str, home: Path) -> None:
    with pytest.raises(UnknownEngine, match="'vosk'"):
        async with a_service(nats_url, home, stt_preload=("vosk",)):
            pass
    with pytest.raises(ModelMissing, match="whisper-huge"):
        async with a_service(nats_url, home, stt_preload=("whisper",), stt_whisper_model="whisper-huge"):
            pass


async def test_the_queue_before_an_engine_goes_by_the_shares_that_assignments_bring(
    nats_url: str, home: Path
) -> None:
    hand = HandEngine()
    factories = {**ENGINES, "hand": lambda _ground: hand}
    async with a_service(nats_url, home, factories, stt_batch_limit=1) as service:
        for tenant, share in (("small", 1), ("big", 3)):
            ref = CallRef(tenant, service.new_ref().call)
            assert (await service.assign(ref, (*SYNTHETIC, "hand"), share=share)).error is None
        queue = await service.app._engines.get("hand")
        asked = [
            asyncio.create_task(queue.decode(segment(1.0, tenant), tenant))
            for tenant in ("small", "big")
            for _ in range(12)
        ]
        for at in range(len(asked)):
            await hand.begun(at)
            hand.let(at)
        await asyncio.gather(*asked)
    came = [one.language for batch in hand.batches for one in batch]
    for taken in range(1, 13):
        small, big = came[:taken].count("small"), came[:taken].count("big")
        assert abs(3 * small - big) <= 3, came
