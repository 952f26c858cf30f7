"""The service on a real nats-server: assigned, told sentences, heard on the gateway's subject."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from contracts.channels import RELEASE, TAKE_OVER
from contracts.errors import ErrorCode
from contracts.examples.practice import CALL
from contracts.frames import Codec, Frame, FrameFlag
from contracts.identities import CallRef, uuid7
from contracts.messages import (
    AssistantSnapshot,
    CallDetached,
    CallEnded,
    EndReason,
    EngineFailed,
    Outcome,
    PlayoutEnded,
    Release,
    Role,
    SentenceSynthesized,
    SpeechStarted,
    TakenOver,
    TakeOver,
)
from contracts.telemetry import FRAMES_OUT, PHRASE_CACHE
from runtime.errors import WorkerDraining
from tests.support.clock import ManualClock
from tests.support.holding import an_assignment
from tests.support.waiting import eventually
from tests.unit.tts_service.scripted import ScriptedEngine, ScriptedUtterance, at, cast_of, factory
from tests.unit.tts_service.world import GATEWAY, OTHER_GATEWAY, RNG, WORKER, assistant, world
from trunkline.nats_server import NatsServer
from tts_service.errors import EngineMissing
from tts_service.handlers import BusOutlet
from tts_service.ports import Pcm


async def test_sentences_become_frames_on_the_gateways_subject(nats_url: str, tmp_path: Path) -> None:
    async with world(nats_url, tmp_path, tts_synthetic_audio_ms=300) as now:
        ref = await now.call(epoch=3)
        await now.say(ref, 1, "Good morning.", "How can I help you?")
        frames = await now.until_reply_ends(ref, 1)
        audio = [frame for frame in frames if frame.payload]
        assert [frame.sentence for frame in audio] == [0] * 15 + [1] * 15
        assert {(len(frame.payload), frame.rate_hz, frame.epoch) for frame in audio} == {(160, 8000, 3)}
        assert [bool(frame.flags & FrameFlag.SENTENCE_END) for frame in audio].count(True) == 2
        assert [frame.sequence for frame in frames] == list(range(31))
        assert {gateway for gateway, _, _ in now.frames} == {GATEWAY}
        first, second = await now.until_said(ref, SentenceSynthesized, 2)
        assert (first.outcome, first.audio_ms, first.engine, first.voice) == (
            Outcome.DONE,
            300,
            "synthetic",
            "tone",
        )
        assert (second.reply, second.index) == (1, 1)
        causes: dict[str | None, Any] = {event.id: event.body for event in now.events}
        reports = [event for event in now.events if isinstance(event.body, SentenceSynthesized)]
        assert [causes[report.cause].index for report in reports] == [0, 1]
        assert {report.epoch for report in reports} == {3}
        assert now.service.metrics.counter(FRAMES_OUT).total() == 31


async def test_sound_waits_while_nats_is_away(nats_server: NatsServer, tmp_path: Path) -> None:
    async with world(nats_server.url, tmp_path) as now:
        bus = now.service.bus
        outlet = BusOutlet(bus, now.service.metrics, an_assignment())
        nats_server.stop()
        await eventually(lambda: not bus.connected, "it notices")
        frame = Frame(Codec.MULAW, 8000, 0, 0, b"\xff" * 160, reply=1, sentence=0)
        sending = asyncio.create_task(outlet.send([frame]))
        nats_server.start()
        await sending
        await eventually(lambda: now.frames, "the gateway has it")
        assert now.frames == [(GATEWAY, CALL, frame._replace(epoch=1))]


async def test_speech_of_the_caller_silences_the_reply(nats_url: str, tmp_path: Path) -> None:
    async with world(nats_url, tmp_path, tts_synthetic_audio_ms=1500, tts_ahead_s=0.5) as now:
        ref = await now.call()
        await now.say(ref, 1, "One.", "Two.", "Three.", complete=False)
        await eventually(lambda: len(now.sound(ref, 1)) >= 25, "half a second of the reply")
        await now.publish(ref, SpeechStarted(turn=1, started_us=1, detected_us=2))
        reports = await now.until_said(ref, SentenceSynthesized, 3)
        assert {report.outcome for report in reports} == {Outcome.CANCELLED}
        sent = len(now.sound(ref, 1))
        assert sent < 75, "less than its first sentence"
        await now.complete(ref, 1, 3, Outcome.CANCELLED)
        await now.say(ref, 2, "And now?", turn=1)
        await now.until_reply_ends(ref, 2)
        assert len(now.sound(ref, 1)) == sent
        await now.until_said(ref, SentenceSynthesized, 4)


async def test_without_barge_in_it_talks_on(nats_url: str, tmp_path: Path) -> None:
    async with world(nats_url, tmp_path, tts_synthetic_audio_ms=1000, tts_ahead_s=0.5) as now:
        ref = await now.call(assistant(barge_in=False))
        await now.say(ref, 1, "One.")
        await eventually(lambda: len(now.sound(ref, 1)) >= 25, "half a second of the reply")
        await now.publish(ref, SpeechStarted(turn=1, started_us=1, detected_us=2))
        await now.until_reply_ends(ref, 1)
        (report,) = await now.until_said(ref, SentenceSynthesized, 1)
        assert report.outcome is Outcome.DONE


async def test_a_reply_that_the_gateway_cut_is_over(nats_url: str, tmp_path: Path) -> None:
    async with world(nats_url, tmp_path, tts_synthetic_audio_ms=1500, tts_ahead_s=0.5) as now:
        ref = await now.call(assistant(barge_in=False))
        await now.say(ref, 1, "One.", "Two.", complete=False)
        await eventually(lambda: now.sound(ref, 1), "the beginning of the reply")
        for outcome in (Outcome.DONE, Outcome.CANCELLED):
            ended = PlayoutEnded(reply=1, outcome=outcome, heard_ms=20, heard_sentences=0, ended_us=1)
            await now.publish(ref, ended)
        reports = await now.until_said(ref, SentenceSynthesized, 2)
        assert {report.outcome for report in reports} == {Outcome.CANCELLED}


async def test_an_engine_that_fails_falls_through_to_the_next(nats_url: str, tmp_path: Path) -> None:
    factories = {
        "broken": factory(ScriptedEngine(fails_at=0)),
        "absent": factory(EngineMissing("no package")),
    }
    async with world(nats_url, tmp_path, factories) as now:
        ref = await now.call(assistant("broken", "absent", "synthetic"))
        await now.say(ref, 1, "Good morning.")
        await now.until_reply_ends(ref, 1)
        failures = now.said(ref, EngineFailed)
        chain = [(failed.engine, failed.next_engine) for failed in failures]
        assert set(chain) <= {("broken", "absent"), ("absent", "synthetic")}
        (report,) = await now.until_said(ref, SentenceSynthesized, 1)
        assert report.engine == "synthetic"


async def test_when_all_engines_fail_the_reply_ends_and_other_calls_go_on(
    nats_url: str, tmp_path: Path
) -> None:
    factories = {"broken": factory(ScriptedEngine(fails_at=0))}
    async with world(nats_url, tmp_path, factories, tts_warm_phrases=0) as now:
        good, bad = await now.call(), await now.call(assistant("broken"))
        await now.say(bad, 1, "Good morning.")
        await now.say(good, 1, "Good morning.")
        assert not any(frame.payload for frame in await now.until_reply_ends(bad, 1))
        assert any(frame.payload for frame in await now.until_reply_ends(good, 1))
        reports = await now.until_said(bad, SentenceSynthesized)
        assert [report.outcome for report in reports] == [Outcome.FAILED]
        failures = await now.until_said(bad, EngineFailed)
        assert [(failed.engine, failed.next_engine) for failed in failures] == [("broken", None)]


@pytest.mark.parametrize(
    ("assist", "error"),
    [
        (
            assistant("festival"),
            (ErrorCode.BAD_CONFIGURATION, "'festival'", "use one of piper, kokoro, synthetic"),
        ),
        (assistant("synthetic", "festival"), (ErrorCode.BAD_CONFIGURATION, "'festival'", "use one of")),
        (assistant(voice="nobody"), (ErrorCode.BAD_CONFIGURATION, "'nobody'", "use one of tone")),
        (assistant("absent"), (ErrorCode.ENGINE_UNAVAILABLE, "no package", "pip install it")),
    ],
)
async def test_a_call_that_nobody_can_speak_for_is_refused_with_the_mend(
    nats_url: str, tmp_path: Path, assist: AssistantSnapshot, error: tuple[ErrorCode, str, str]
) -> None:
    absent = {"absent": factory(EngineMissing("no package", mend="pip install it"))}
    async with world(nats_url, tmp_path, absent) as now:
        refused = await now.assign(CallRef("acme", uuid7(1, RNG)), assist)
        code, names, mend = error
        assert refused.error is not None
        assert refused.error.code is code
        assert names in refused.error.message
        assert mend in refused.error.mend
        ref = await now.call()
        await now.say(ref, 1, "Good morning.")
        await now.until_reply_ends(ref, 1)


async def test_the_greeting_lies_ready_when_it_is_asked_for(nats_url: str, tmp_path: Path) -> None:
    async with world(nats_url, tmp_path) as now:
        ref = await now.call()
        await now.say(ref, 1, "Good morning.")
        await now.until_reply_ends(ref, 1)
        other = await now.call()
        await now.say(other, 1, "Good morning.")
        await now.until_reply_ends(other, 1)
        (report,) = await now.until_said(other, SentenceSynthesized)
        assert (report.cached, report.synthesis_ms) == (True, 0)
        counts = now.service.metrics.counter(PHRASE_CACHE).counts
        assert counts["hit",] >= 1


async def test_a_newer_assignment_moves_the_audio_to_another_gateway(nats_url: str, tmp_path: Path) -> None:
    async with world(nats_url, tmp_path) as now:
        ref = await now.call()
        assert (await now.assign(ref, epoch=2, gateway=OTHER_GATEWAY)).error is None
        await now.say(ref, 1, "Good morning.")
        await now.until_reply_ends(ref, 1)
        assert {(gateway, frame.epoch) for gateway, _, frame in now.frames} == {(OTHER_GATEWAY, 2)}


@pytest.mark.parametrize("end", ["ended", "released"])
async def test_a_call_that_ends_is_let_go_of_with_all_its_sentences(
    nats_url: str, tmp_path: Path, end: str
) -> None:
    async with world(nats_url, tmp_path, tts_synthetic_audio_ms=3000, tts_ahead_s=0.2) as now:
        ref = await now.call()
        await now.say(ref, 1, "One.", "Two.", complete=False)
        await eventually(lambda: now.sound(ref, 1), "the beginning of the reply")
        if end == "ended":
            reason = EndReason.CALLER_HUNG_UP
            await now.publish(ref, CallEnded(reason=reason, started_us=1, ended_us=2, duration_ms=1))
        else:
            release = Release(call=ref.call, tenant=ref.tenant, epoch=1)
            await now.bus.publish(RELEASE.subject(role="tts", process=WORKER), release)
        reports = await now.until_said(ref, SentenceSynthesized, 2)
        assert {report.outcome for report in reports} == {Outcome.CANCELLED}
        sent = len(now.frames)
        await now.say(ref, 2, "Too late.")
        other = await now.call()
        await now.say(other, 1, "Good morning.")
        await eventually(lambda: now.sound(other, 1), "the other call's audio")
        assert [frame for _, its, frame in now.frames[sent:] if its == ref] == []


async def test_many_calls_at_once_each_get_their_own(nats_url: str, tmp_path: Path) -> None:
    async with world(nats_url, tmp_path, tts_synthetic_audio_ms=200) as now:
        refs = [await now.call() for _ in range(30)]
        await asyncio.gather(
            *(now.say(ref, 1, f"You are caller {number}.") for number, ref in enumerate(refs))
        )
        sounds = [await now.until_reply_ends(ref, 1) for ref in refs]
        assert all(sum(bool(frame.payload) for frame in frames) == 10 for frames in sounds)
        assert len({b"".join(frame.payload for frame in frames) for frames in sounds}) > 25, "pitches by text"


async def test_it_says_that_it_lives_and_how_loaded_it_is(nats_url: str, tmp_path: Path) -> None:
    async with world(nats_url, tmp_path, tts_capacity=7) as now:
        await now.call()
        await eventually(lambda: any(beat.calls == 1 for beat in now.beats), "a heartbeat with the call")
        assert (now.beats[-1].process, now.beats[-1].capacity) == (WORKER, 7)


async def test_a_preloaded_engine_that_is_missing_stops_the_start(nats_url: str, tmp_path: Path) -> None:
    absent = {"absent": factory(EngineMissing("no package", mend="pip install it"))}
    with pytest.raises(EngineMissing, match="pip install it"):
        async with world(nats_url, tmp_path, absent, tts_preload=("absent",)):
            pass


@pytest.mark.parametrize("silent", [False, True])
async def test_a_replacement_says_what_the_gateway_has_not(
    nats_url: str, tmp_path: Path, silent: bool
) -> None:
    settings: Any = {"tts_synthetic_audio_ms": 300, "tts_takeover_patience_s": 0.1}
    async with world(nats_url, tmp_path, **settings) as now:
        ref = CallRef("acme", uuid7(1_767_225_600_000, RNG))
        asked: list[TakeOver] = []

        async def answer(question: TakeOver) -> TakenOver:
            asked.append(question)
            return TakenOver(reply=1, sentences=1)

        if not silent:
            await now.bus.respond(
                TAKE_OVER.subject(tenant=ref.tenant, call=ref.call), TakeOver, TakenOver, answer
            )
        await now.bus.on_events(ref, now.hear)
        await now.say(ref, 1, "One.", "Two.")
        await now.replaced(ref, Role.TTS, WORKER, 2)
        assert (await now.assign(ref, epoch=2, resumed=True)).error is None
        frames = await now.until_reply_ends(ref, 1)
        first = [0] * 15 if silent else []
        assert [frame.sentence for frame in frames if frame.payload] == [*first, *[1] * 15]
        assert {frame.epoch for frame in frames} == {2}
        told = [] if silent else [TakeOver(role=Role.TTS, process=WORKER, epoch=2)]
        assert asked == told


async def test_a_call_without_a_gateway_waits_and_goes_on_at_the_next_one(
    nats_url: str, tmp_path: Path
) -> None:
    async with world(nats_url, tmp_path, tts_synthetic_audio_ms=300) as now:
        ref = await now.call()
        await now.say(ref, 1, "One.")
        await now.until_reply_ends(ref, 1)
        await now.publish(ref, CallDetached(gateway=GATEWAY, wait_s=15))
        await now.say(ref, 2, "Two.")
        opened = asyncio.Event()
        asked: list[TakeOver] = []

        async def answer(question: TakeOver) -> TakenOver:
            asked.append(question)
            if not opened.is_set():
                raise WorkerDraining("not open yet", mend="ask again")
            return TakenOver()

        subject = TAKE_OVER.subject(tenant=ref.tenant, call=ref.call)
        await now.bus.respond(subject, TakeOver, TakenOver, answer)
        await now.replaced(ref, Role.GATEWAY, OTHER_GATEWAY, 2)
        await eventually(lambda: len(asked) > 2, "asked again and again")
        assert {gateway for gateway, _, _ in now.frames} == {GATEWAY}, "it would drop them"
        opened.set()
        await now.until_reply_ends(ref, 2)
        by_gateway = [(gateway, frame.reply, frame.epoch) for gateway, _, frame in now.frames]
        assert by_gateway == [
            *[(GATEWAY, 1, 1)] * 16,
            *[(OTHER_GATEWAY, 1, 1)] * 16,
            *[(OTHER_GATEWAY, 2, 1)] * 16,
        ]


async def test_what_was_lost_with_the_bus_is_said_again_from_where_the_gateway_has_it(
    nats_url: str, tmp_path: Path
) -> None:
    async with world(nats_url, tmp_path, tts_synthetic_audio_ms=300) as now:
        ref, silent, detached = [await now.call() for _ in range(3)]
        asked: list[TakeOver] = []

        async def answer(question: TakeOver) -> TakenOver:
            asked.append(question)
            return TakenOver(reply=1, sentences=1)

        for each in (ref, silent, detached):
            subject = TAKE_OVER.subject(tenant=each.tenant, call=each.call)
            await now.bus.respond(subject, TakeOver, TakenOver, answer)
        for each in (ref, detached):
            await now.say(each, 1, "One.", "Two.")
            await now.until_reply_ends(each, 1)
        await now.publish(detached, CallDetached(gateway=GATEWAY, wait_s=15))
        lost = now.app._handlers._calls[detached].synthesis
        await eventually(lambda: not lost.at_a_gateway, "its gateway is lost")
        before = len(now.frames)
        await now.app._handlers.rejoin()
        await eventually(
            lambda: now.frames[-1][2].flags & FrameFlag.REPLY_END and len(now.frames) > before, ""
        )
        again = now.frames[before:]
        assert [(at, frame.sentence) for _, at, frame in again] == [*[(ref, 1)] * 15, (ref, 2)]
        assert asked == [TakeOver(role=Role.TTS, process=WORKER, epoch=1)]
        told = await now.until_said(ref, SentenceSynthesized, 2)
        assert [body.outcome for body in told] == [Outcome.DONE] * 2, "each is told of once"


class _SlowEngine(ScriptedEngine):
    """Each phrase is one chunk, which takes it a second, once `begins` is set."""

    def __init__(self, clock: ManualClock) -> None:
        super().__init__(chunks=1)
        self.clock = clock
        self.begins = asyncio.Event()

    async def advance(self, utterances: Sequence[ScriptedUtterance]) -> list[Pcm | None]:
        await self.begins.wait()
        self.clock.tick(1.0)
        return await super().advance(utterances)


async def test_the_queue_before_an_engine_goes_by_the_shares_that_assignments_bring(
    nats_url: str, tmp_path: Path
) -> None:
    clock = ManualClock()
    slow = _SlowEngine(clock)
    limits: dict[str, Any] = {"tts_engine_slots": 1, "tts_warm_phrases": 0, "tts_engine_timeout_s": 60.0}
    async with world(nats_url, tmp_path, {"slow": factory(slow)}, clock=clock, **limits) as now:

        async def spoken(tenant: str, word: str) -> None:
            cast = cast_of("slow")._replace(tenant=tenant)
            assert [sound async for sound in now.app._chain.speak(f"{tenant} {word}", cast, at(0.0))]

        for tenant, share in (("small", 1), ("big", 3)):
            await now.call(assistant("slow"), tenant, share=share)
        asked = [
            asyncio.create_task(spoken(tenant, word))
            for tenant in ("small", "big")
            for word in "abcdefghijkl"
        ]
        await eventually(lambda: len(slow.asked) == len(asked), "all wait for their turn")
        slow.begins.set()
        await asyncio.gather(*asked)
    came = [text.split()[0] for (text,) in slow.runs]
    for taken in range(1, 13):
        small, big = came[:taken].count("small"), came[:taken].count("big")
        assert abs(3 * small - big) <= 3, came
