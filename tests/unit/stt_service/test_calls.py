from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
import pytest

from contracts.errors import TrunklineError
from contracts.frames import Codec, Frame
from contracts.messages import EngineFailed, Message, SpeechDismissed, SpeechStarted, TurnEnded
from runtime.clock import SystemClock
from runtime.tasks import TaskOwner
from stt_service.batching import DecodeBatcher, DetectionLoop
from stt_service.calls import HeldCall
from stt_service.chain import Chain
from stt_service.engines.energy import EnergyDetector
from stt_service.errors import EngineFault
from stt_service.ports import Samples
from stt_service.recognition import Recognition, Rules
from stt_service.resuming import Resumption
from tests.support.waiting import eventually
from tests.unit.stt_service.caller import FRAME, START_US, frame
from tests.unit.stt_service.engines_under_test import EagerEngine, HandEngine
from tests.unit.stt_service.speech import silence, voice

TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


class Notes:
    """A Teller that writes everything down."""

    def __init__(self) -> None:
        self.bodies: list[Message] = []
        self.traces: list[str | None] = []
        self.drops: dict[str, int] = {}
        self.errors: list[tuple[str, TrunklineError]] = []

    def publish(self, body: Message, trace: str | None) -> None:
        self.bodies.append(body)
        self.traces.append(trace)

    def dropped(self, why: str, frames: int = 1) -> None:
        self.drops[why] = self.drops.get(why, 0) + frames

    def rejected(self, where: str, error: TrunklineError) -> None:
        self.errors.append((where, error))


@contextmanager
def a_span(_turn: int) -> Iterator[str | None]:
    yield TRACE


class Stage:
    """A held call on a real detection loop."""

    def __init__(self, tasks: TaskOwner, thread: ThreadPoolExecutor) -> None:
        self.tasks = tasks
        self.notes = Notes()
        self.engines: dict[str, DecodeBatcher] = {}
        self.detection = DetectionLoop(EnergyDetector(-40.0), thread, SystemClock(), 0.0)
        tasks.spawn(self.detection.run(), "detection")
        self.sequence = 0

    async def get(self, name: str) -> DecodeBatcher:
        return self.engines[name]

    def hold(
        self,
        *engines: HandEngine,
        rules: Rules | None = None,
        queue_frames: int = 500,
        resumption: Resumption | None = None,
    ) -> HeldCall:
        for number, engine in enumerate(engines):
            batcher = DecodeBatcher(engine, SystemClock(), batch_limit=4, timeout_s=5)
            self.tasks.spawn(batcher.run(), "engine")
            self.engines[f"engine-{number}"] = batcher
        call = HeldCall(
            Recognition("en-US", rules or Rules(partial_ms=None), EnergyDetector.window_samples, resumption),
            tuple(self.engines),
            self.notes,
            chain=Chain(self, SystemClock(), rest_s=10),
            tasks=self.tasks,
            open_span=a_span,
            queue_frames=queue_frames,
            resumption=resumption,
        )
        self.detection.add(call)
        return call

    def send(self, call: HeldCall, *sounds: Samples) -> None:
        line = np.concatenate(sounds)
        for at in range(0, len(line) - FRAME + 1, FRAME):
            call.accept(frame(self.sequence, line[at : at + FRAME]))
            self.sequence += 1
        self.detection.wake(call)

    async def said(self, kind: type[Message]) -> Message:
        await eventually(
            lambda: any(isinstance(body, kind) for body in self.notes.bodies), f"a {kind.__name__}"
        )
        return next(body for body in self.notes.bodies if isinstance(body, kind))


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    tasks = TaskOwner("test")
    with ThreadPoolExecutor(1) as thread:
        yield Stage(tasks, thread)
        await tasks.close()


async def test_frames_become_a_turn_under_the_trace_of_its_recognition(stage: Stage) -> None:
    call = stage.hold(EagerEngine("Good morning."))
    stage.send(call, silence(500), voice(600))
    await stage.said(SpeechStarted)
    assert stage.notes.traces == [None]
    stage.send(call, silence(600))
    ended = await stage.said(TurnEnded)
    assert isinstance(ended, TurnEnded)
    assert (ended.text_pii, ended.engine) == ("Good morning.", "engine-0")
    assert stage.notes.traces == [None, TRACE]
    assert stage.notes.drops == {}


async def test_where_every_engine_fails_it_is_said_and_the_turn_dismissed(stage: Stage) -> None:
    call = stage.hold(EagerEngine(error=EngineFault("one")), EagerEngine(error=EngineFault("two")))
    stage.send(call, silence(500), voice(600), silence(600))
    await stage.said(SpeechDismissed)
    started, first, second, dismissed = stage.notes.bodies
    assert isinstance(started, SpeechStarted)
    assert isinstance(dismissed, SpeechDismissed)
    assert isinstance(first, EngineFailed)
    assert isinstance(second, EngineFailed)
    assert (first.next_engine, second.next_engine) == ("engine-1", None)


async def test_a_decode_that_is_taken_back_is_cancelled(stage: Stage) -> None:
    engine = HandEngine()
    call = stage.hold(engine)
    stage.send(call, silence(500), voice(600), silence(300))
    await eventually(lambda: engine.gates, "a decode")
    stage.send(call, voice(600), silence(600))
    engine.let(0)
    await eventually(lambda: len(engine.gates) == 2, "the decode of the whole turn")
    engine.let(1)
    ended = await stage.said(TurnEnded)
    assert isinstance(ended, TurnEnded)
    assert ended.text_pii == f"{engine.lengths()[1][0]}."
    assert len([body for body in stage.notes.bodies if isinstance(body, TurnEnded)]) == 1


async def test_with_the_queue_full_the_oldest_frame_gives_way(stage: Stage) -> None:
    call = stage.hold(EagerEngine(), queue_frames=10)
    for sequence in range(15):
        call.accept(frame(sequence, voice(20)))
    assert stage.notes.drops == {"queue_full": 5}
    call.next_window()
    assert call._recognition._audio.end == 10 * FRAME


async def test_lost_and_late_frames_are_counted(stage: Stage) -> None:
    call = stage.hold(EagerEngine())
    for sequence in (0, 3, 1, 3, 4):
        call.accept(frame(sequence, voice(20)))
    call.next_window()
    assert stage.notes.drops == {"lost": 2, "late": 2}


async def test_a_newer_sender_counts_anew(stage: Stage) -> None:
    call = stage.hold(EagerEngine())
    for sequence in range(100, 105):
        call.accept(frame(sequence, voice(20)))
    call.renumber()
    call.accept(frame(90, voice(20)))
    call.next_window()
    assert stage.notes.drops == {}
    assert call._recognition._audio.end == 6 * FRAME


async def test_a_payload_that_is_not_its_codecs_is_rejected_alone(stage: Stage) -> None:
    call = stage.hold(EagerEngine())
    call.accept(Frame(Codec.PCM16, 8_000, 0, START_US, b"odd"))
    for sequence in range(1, 4):
        call.accept(frame(sequence, voice(20)))
    assert call.next_window() is not None
    ((where, error),) = stage.notes.errors
    assert where == "audio"
    assert "whole samples" in str(error)


async def test_a_call_that_is_closed_waits_for_nothing(stage: Stage) -> None:
    engine = HandEngine()
    call = stage.hold(engine)
    stage.send(call, silence(500), voice(600), silence(300))
    await eventually(lambda: engine.gates, "a decode")
    call.close()
    engine.let(0)
    for _ in range(20):
        await asyncio.sleep(0)
    assert [type(body) for body in stage.notes.bodies] == [SpeechStarted]


async def test_partials_are_glances(stage: Stage) -> None:
    engine = HandEngine()
    call = stage.hold(engine, rules=Rules(partial_ms=300))
    stage.send(call, silence(500), voice(600))
    await eventually(lambda: engine.gates, "a glance")
    stage.send(call, silence(300))
    await eventually(lambda: len(engine.gates) == 2, "the decode, which does not wait for the glance")
    engine.let(1)
    stage.send(call, silence(500))
    await stage.said(TurnEnded)
    engine.let(0)


async def test_a_call_says_whether_a_turn_is_open(stage: Stage) -> None:
    call = stage.hold(EagerEngine())
    open_turns = [call.in_turn]
    stage.send(call, silence(500), voice(600))
    await stage.said(SpeechStarted)
    open_turns.append(call.in_turn)
    call.starve(600)
    stage.detection.wake(call)
    await stage.said(TurnEnded)
    assert [*open_turns, call.in_turn] == [False, True, False]


async def test_what_was_missed_is_heard_whole_though_it_comes_at_once(stage: Stage) -> None:
    call = stage.hold(EagerEngine("Good morning."), queue_frames=5, resumption=Resumption(2))
    stage.send(call, silence(500), voice(3_000), silence(900))
    call.expect(220)
    ended = await stage.said(TurnEnded)
    assert isinstance(ended, TurnEnded)
    assert ended.turn == 3
    assert ended.audio_ms == pytest.approx(3_000, abs=30)
    assert stage.notes.drops == {}


async def test_a_call_that_has_caught_up_is_a_call_like_any_other(stage: Stage) -> None:
    call = stage.hold(EagerEngine(), queue_frames=5, resumption=Resumption())
    call.expect(25)
    stage.send(call, silence(500))
    await eventually(lambda: call.next_window() is None and not call._behind, "it has caught up")
    for number in range(12):
        call.accept(frame(stage.sequence + number, silence(20)))
    assert stage.notes.drops == {"queue_full": 7}


async def test_what_was_said_before_the_end_of_the_last_turn_is_not_heard_again(stage: Stage) -> None:
    call = stage.hold(EagerEngine(), resumption=Resumption(1, START_US + 1_000_000))
    stage.send(call, voice(1_000), silence(500), voice(600), silence(900))
    ended = await stage.said(TurnEnded)
    assert isinstance(ended, TurnEnded)
    assert ended.turn == 2
    assert ended.audio_ms == pytest.approx(600, abs=30)


async def test_two_turns_that_come_at_once_stay_two_however_slow_the_engine(stage: Stage) -> None:
    engine = HandEngine()
    call = stage.hold(engine, resumption=Resumption())
    stage.send(call, silence(500), voice(600), silence(700), voice(800), silence(900))
    call.expect(175)
    await engine.begun(0)
    engine.let(0)
    await stage.said(TurnEnded)
    stage.detection.wake(call)  # as the next frame does
    await engine.begun(1)
    engine.let(1)
    await eventually(lambda: len(turns(stage)) == 2, "both turns")
    first, second = turns(stage)
    assert [first.turn, second.turn] == [1, 2]
    assert abs(first.decided_us - (START_US + 1_550_000)) <= 50_000, "when it was over, not when it came"


def turns(stage: Stage) -> list[TurnEnded]:
    return [body for body in stage.notes.bodies if isinstance(body, TurnEnded)]
