"""Whoever takes over a call of an hour reads no more of it than of one of minutes, and goes on as rightly."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

import llm_service.app
import llm_service.settings
import runtime.history
import stt_service.app
import stt_service.settings
import tts_service.app
import tts_service.settings
from contracts.channels import ASSIGN, TAKE_OVER
from contracts.frames import Frame
from contracts.identities import CallRef, uuid7
from contracts.messages import (
    Assign,
    Assigned,
    AssistantSnapshot,
    CallReassigned,
    CallStarted,
    EngineChain,
    Event,
    Message,
    Outcome,
    PlayoutEnded,
    PlayoutStarted,
    Replaced,
    ReplyCompleted,
    ReplySentence,
    Role,
    SentenceSynthesized,
    SpeechStarted,
    TakenOver,
    TakeOver,
    TurnEnded,
)
from contracts.streams import CALLS
from contracts.wire import channel_of, decode_event
from runtime.bus import Bus
from runtime.process import Context
from runtime.settings import ProcessSettings
from tests.support.context import service_context
from tests.support.waiting import eventually

RNG = random.Random(17)
BEGUN_US = 1_767_225_600_000_000
GATEWAY = "gateway-1"
TURNS = {"minutes": 30, "an hour": 400}
MOST_DECODED = 300
ASSISTANT = AssistantSnapshot(
    id="reception",
    name="Reception",
    greeting="Good morning.",
    prompt="Be brief.",
    farewell="Thank you for calling. Goodbye.",
    engines=EngineChain(stt=("synthetic",), llm=("synthetic",), tts=("synthetic",)),
)


@dataclass
class Call:
    """A call that has a record and lost one of its workers in the midst of its farewell."""

    bus: Bus
    turns: int
    ref: CallRef = field(default_factory=lambda: CallRef("acme", uuid7(BEGUN_US // 1000, RNG)))
    said: int = 0
    last_turn_us: int = 0
    heard: list[Event[Any]] = field(default_factory=list)
    frames: list[Frame] = field(default_factory=list)
    asked: list[TakeOver] = field(default_factory=list)

    @property
    def now_us(self) -> int:
        return BEGUN_US + self.said * 600_000

    async def say(self, body: Message, cause: str | None = None) -> str:
        """Another event of the record, of workers in their first epoch."""
        self.said += 1
        event = Event[Any](
            id=uuid7(self.now_us // 1000, RNG),
            v=1,
            at_us=self.now_us,
            tenant=self.ref.tenant,
            call=self.ref.call,
            epoch=1,
            cause=cause,
            body=body,
        )
        subject = channel_of(body).subject(**self.ref._asdict())
        await self.bus.client.publish(subject, event.model_dump_json().encode())
        return event.id

    async def begin(self) -> None:
        """All that was said until the worker was lost."""
        answered = await self.say(_STARTED)
        await self._answer(1, None, answered)
        for turn in range(1, self.turns):
            await self._answer(turn + 1, turn, await self._turn(turn, "What are your hours on Saturday?"))
        ended = await self._turn(self.turns, "Goodbye.")
        await self.say(_sentence(self.turns + 1, self.turns, 0, "Thank you for calling."), ended)
        await self.bus.flush()

    async def _turn(self, turn: int, text: str) -> str:
        started = await self.say(SpeechStarted(turn=turn, started_us=self.now_us, detected_us=self.now_us))
        self.last_turn_us = self.now_us
        return await self.say(_ended(turn, text, self.now_us), started)

    async def _answer(self, reply: int, turn: int | None, cause: str) -> None:
        await self.say(_sentence(reply, turn, 0, "From nine to one."), cause)
        await self.say(_completed(reply, turn), cause)
        await self.say(_synthesized(reply))
        await self.say(PlayoutStarted(reply=reply, first_frame_us=self.now_us))
        await self.say(_played(reply, self.now_us))

    async def stored(self) -> None:
        while (await self.bus.jetstream.stream_info(CALLS.name)).state.messages < self.said:
            await self.bus.flush()

    async def hear(self, event: Event[Any]) -> None:
        self.heard.append(event)

    async def tell(self, question: TakeOver) -> TakenOver:
        self.asked.append(question)
        return TakenOver(reply=self.turns + 1)

    async def hand_over(self, role: Role, process: str) -> None:
        await self.bus.on_events(self.ref, self.hear)
        await self.bus.on_frames(GATEWAY, lambda _, frame: self.frames.append(frame))
        await self.bus.respond(TAKE_OVER.subject(**self.ref._asdict()), TakeOver, TakenOver, self.tell)
        moved = CallReassigned(role=role, process=process, epoch=2, before="lost", why=Replaced.LOST)
        await self.bus.publish_event(self.ref, moved)
        assign = Assign(
            call=self.ref.call,
            tenant=self.ref.tenant,
            epoch=2,
            gateway=GATEWAY,
            workers={role: process},
            assistant=ASSISTANT,
            since={role: 2},
            resumed=True,
        )
        token = {"role": role.value, "process": process}
        assert (await self.bus.request(ASSIGN, assign, Assigned, timeout_s=20, **token)).error is None

    async def goes_on(self, role: Role) -> None:
        """What the replacement does, which follows from the end of the record alone."""
        farewell = self.turns + 1
        if role is Role.STT:
            await eventually(lambda: self.asked, "the kept audio is asked for")
            assert self.asked[0].after_us == self.last_turn_us
        elif role is Role.LLM:
            await eventually(lambda: self._said(ReplyCompleted), "the farewell is ended")
            (rest,), (completed,) = self._said(ReplySentence), self._said(ReplyCompleted)
            assert (rest.reply, rest.index, rest.text_pii) == (farewell, 1, "Goodbye.")
            assert (completed.reply, completed.sentences) == (farewell, 2)
        else:
            await eventually(lambda: self._said(SentenceSynthesized), "the farewell is spoken")
            assert [(body.reply, body.index) for body in self._said(SentenceSynthesized)] == [(farewell, 0)]
            await eventually(lambda: self.frames, "its frames arrive")
            assert {(frame.reply, frame.sentence, frame.epoch) for frame in self.frames} == {(farewell, 0, 2)}

    def _said(self, kind: type[Any]) -> list[Any]:
        return [event.body for event in self.heard if isinstance(event.body, kind)]


_STARTED = CallStarted(
    called="+15550100",
    caller="+15550142",
    carrier_call_id="CA1",
    protocol="twilio",
    gateway=GATEWAY,
    assistant=ASSISTANT.id,
    language="en-US",
)


def _ended(turn: int, text: str, at_us: int) -> TurnEnded:
    return TurnEnded(
        turn=turn,
        text_pii=text,
        language="en",
        confidence=1.0,
        speech_started_us=at_us,
        speech_ended_us=at_us,
        decided_us=at_us,
        audio_ms=1,
        decode_ms=1,
        engine="synthetic",
    )


def _sentence(reply: int, turn: int | None, index: int, text: str) -> ReplySentence:
    return ReplySentence(reply=reply, turn=turn, index=index, text_pii=text, engine="script")


def _completed(reply: int, turn: int | None) -> ReplyCompleted:
    return ReplyCompleted(
        reply=reply,
        turn=turn,
        outcome=Outcome.DONE,
        sentences=1,
        engine="script",
        first_sentence_ms=1,
        total_ms=1,
    )


def _synthesized(reply: int) -> SentenceSynthesized:
    return SentenceSynthesized(
        reply=reply,
        index=0,
        outcome=Outcome.DONE,
        audio_ms=900,
        first_audio_ms=1,
        synthesis_ms=1,
        cached=False,
        engine="synthetic",
        voice="",
    )


def _played(reply: int, at_us: int) -> PlayoutEnded:
    return PlayoutEnded(
        reply=reply, outcome=Outcome.DONE, heard_ms=900, heard_sentences=1, partial_ms=0, ended_us=at_us
    )


def build(role: Role, context: Context, nats_url: str, home: Path) -> Any:
    """The service of a role, with engines that need no model."""
    shared: dict[str, Any] = {"nats_url": nats_url, "home": home}
    if role is Role.STT:
        return stt_service.app.build(
            stt_service.settings.Settings(**shared, stt_preload=("synthetic",)), context
        )
    if role is Role.LLM:
        return llm_service.app.build(
            llm_service.settings.Settings(**shared, llm_preload=("synthetic",)), context
        )
    return tts_service.app.build(tts_service.settings.Settings(**shared, tts_preload=("synthetic",)), context)


@pytest.mark.parametrize("role", [Role.STT, Role.LLM, Role.TTS])
@pytest.mark.parametrize("length", TURNS)
async def test_a_replacement_reads_the_end_of_a_record_however_long_it_is(
    nats_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, role: Role, length: str
) -> None:
    decoded: list[str] = []

    def decode(subject: str, data: bytes) -> Event[Any]:
        decoded.append(subject)
        return decode_event(subject, data)

    monkeypatch.setattr(runtime.history, "decode_event", decode)
    process = f"{role.value}-2"
    async with (
        service_context(ProcessSettings(nats_url=nats_url), "others") as others,
        service_context(ProcessSettings(nats_url=nats_url), role.value, process=process) as context,
    ):
        call = Call(others.bus, TURNS[length])
        await call.begin()
        await call.stored()
        app = build(role, context, nats_url, tmp_path)
        await app.start()
        await context.bus.flush()
        try:
            await call.hand_over(role, process)
            await call.goes_on(role)
        finally:
            await app.stop()
    assert 0 < len(decoded) <= MOST_DECODED, f"of {call.said}"
