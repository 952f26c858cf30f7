"""The service on a real nats-server, and the other services as far as it sees them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from contracts.channels import ASSIGN, HEARTBEAT
from contracts.frames import Frame, FrameFlag
from contracts.identities import CallRef, uuid7
from contracts.messages import (
    Assign,
    Assigned,
    AssistantSnapshot,
    CallReassigned,
    EngineChain,
    Event,
    Heartbeat,
    Message,
    Outcome,
    Replaced,
    ReplyCompleted,
    ReplySentence,
    Role,
    Voice,
)
from runtime.bus import Bus
from runtime.clock import Clock
from runtime.process import Context
from runtime.settings import ProcessSettings
from tests.support.context import service_context
from tests.support.waiting import eventually
from tts_service.app import TtsApp, build
from tts_service.engines import ENGINES, Factory
from tts_service.settings import Settings

RNG = Random(5)
GATEWAY, OTHER_GATEWAY, WORKER = "gateway-1", "gateway-2", "tts-test"


def assistant(*tts: str, voice: str = "", barge_in: bool = True) -> AssistantSnapshot:
    return AssistantSnapshot(
        id="reception",
        name="Reception",
        greeting="Good morning.",
        prompt="Be brief.",
        engines=EngineChain(tts=tts or ("synthetic",)),
        voice=Voice(name=voice),
        barge_in=barge_in,
    )


def completed(
    reply: int, sentences: int, outcome: Outcome = Outcome.DONE, turn: int | None = None
) -> ReplyCompleted:
    """What llm says at the end of a reply."""
    return ReplyCompleted(
        reply=reply,
        turn=turn,
        outcome=outcome,
        sentences=sentences,
        engine="script",
        first_sentence_ms=1,
        total_ms=2,
    )


@dataclass
class World:
    """The other services, as far as this one sees them."""

    bus: Bus
    service: Context
    app: TtsApp
    frames: list[tuple[str, CallRef, Frame]] = field(default_factory=list)
    events: list[Event[Any]] = field(default_factory=list)
    beats: list[Heartbeat] = field(default_factory=list)

    async def call(
        self, assist: AssistantSnapshot | None = None, tenant: str = "acme", **changes: Any
    ) -> CallRef:
        """A new call, assigned and listened to."""
        ref = CallRef(tenant, uuid7(1_767_225_600_000, RNG))
        await self.bus.on_events(ref, self.hear)
        assigned = await self.assign(ref, assist, **changes)
        assert assigned.error is None, assigned.error
        return ref

    async def assign(
        self,
        ref: CallRef,
        assist: AssistantSnapshot | None = None,
        *,
        epoch: int = 1,
        gateway: str = GATEWAY,
        resumed: bool = False,
        share: int = 1,
    ) -> Assigned:
        assign = Assign(
            call=ref.call,
            tenant=ref.tenant,
            epoch=epoch,
            gateway=gateway,
            workers={Role.TTS: WORKER},
            assistant=assist or assistant(),
            since={Role.TTS: epoch},
            resumed=resumed,
            share=share,
        )
        return await self.bus.request(ASSIGN, assign, Assigned, timeout_s=20, role="tts", process=WORKER)

    async def say(
        self, ref: CallRef, reply: int, *texts: str, turn: int | None = None, complete: bool = True
    ) -> None:
        for index, text in enumerate(texts):
            body = ReplySentence(reply=reply, turn=turn, index=index, text_pii=text, engine="script")
            await self.publish(ref, body)
        if complete:
            await self.complete(ref, reply, len(texts), turn=turn)

    async def complete(
        self,
        ref: CallRef,
        reply: int,
        sentences: int,
        outcome: Outcome = Outcome.DONE,
        turn: int | None = None,
    ) -> None:
        await self.publish(ref, completed(reply, sentences, outcome, turn))

    async def publish(self, ref: CallRef, body: Message) -> None:
        await self.bus.publish_event(ref, body)

    async def replaced(self, ref: CallRef, role: Role, process: str, epoch: int) -> None:
        """Another process speaks for a role."""
        await self.publish(
            ref,
            CallReassigned(role=role, process=process, epoch=epoch, before="gone", why=Replaced.LOST),
        )

    async def hear(self, event: Event[Any]) -> None:
        self.events.append(event)

    async def on_beat(self, beat: Heartbeat) -> None:
        self.beats.append(beat)

    def on_frame(self, gateway: str) -> Any:
        return lambda ref, frame: self.frames.append((gateway, ref, frame))

    def sound(self, ref: CallRef, reply: int) -> list[Frame]:
        return [frame for _, its, frame in self.frames if its == ref and frame.reply == reply]

    def said(self, ref: CallRef, kind: type[Any]) -> list[Any]:
        return [event.body for event in self.events if event.ref == ref and isinstance(event.body, kind)]

    async def until_reply_ends(self, ref: CallRef, reply: int) -> list[Frame]:
        await eventually(
            lambda: any(frame.flags & FrameFlag.REPLY_END for frame in self.sound(ref, reply)),
            f"end of {reply}",
        )
        return self.sound(ref, reply)

    async def until_said(self, ref: CallRef, kind: type[Any], count: int = 1) -> list[Any]:
        await eventually(lambda: len(self.said(ref, kind)) >= count, f"{count} {kind.__name__}")
        return self.said(ref, kind)


@asynccontextmanager
async def world(
    nats_url: str,
    tmp_path: Path,
    factories: Mapping[str, Factory] | None = None,
    *,
    clock: Clock | None = None,
    **values: Any,
) -> AsyncIterator[World]:
    chosen = {"tts_preload": ("synthetic",), "home": tmp_path, "heartbeat_s": 0.05, **values}
    own = Settings(nats_url=nats_url, **chosen)
    failures: list[BaseException] = []
    async with (
        service_context(ProcessSettings(nats_url=nats_url), "others") as others,
        service_context(own, "tts", process=WORKER, clock=clock, on_task_failure=failures.append) as context,
    ):
        app = build(own, context, {**ENGINES, **(factories or {})})
        made = World(others.bus, context, app)
        for gateway in (GATEWAY, OTHER_GATEWAY):
            await others.bus.on_frames(gateway, made.on_frame(gateway))
        await others.bus.on_messages(HEARTBEAT.wildcard(role="tts"), Heartbeat, made.on_beat)
        await others.bus.flush()
        await app.start()
        await eventually(lambda: made.beats, "the first heartbeat: what it subscribed to is in force")
        try:
            yield made
        finally:
            await app.stop()
        assert not failures
