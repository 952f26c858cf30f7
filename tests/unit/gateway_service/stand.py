"""The gateway on a real nats-server, with a caller's socket on one side and the other services' parts on
the bus on the other: a session that answers as told, an stt that keeps frames, a tts that sends them.
"""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any, Self

import orjson
import pybase64
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from contracts.channels import (
    AGENT_AUDIO,
    CALL_STARTED,
    DTMF_RECEIVED,
    HANG_UP,
    HEARTBEAT,
    LEG_ENDED,
    PLAYOUT_ENDED,
    PLAYOUT_STARTED,
    SESSION_OPEN,
)
from contracts.examples.practice import RECEPTION
from contracts.frames import Frame
from contracts.identities import CallRef
from contracts.messages import (
    CommandReply,
    EndReason,
    Event,
    HangUp,
    Heartbeat,
    LegEnded,
    Message,
    OpenCall,
    OpenCallReply,
    PlayoutEnded,
    Role,
)
from contracts.telemetry import FRAMES_DROPPED, LEGS_REFUSED
from gateway_service.app import GatewayApp, build
from gateway_service.media_tokens import MediaClaims, issue
from gateway_service.settings import Settings
from runtime.keyring import Keyring
from runtime.process import Context
from runtime.settings import ProcessSettings
from tests.support.context import service_context
from tests.support.waiting import eventually
from tests.unit.gateway_service.agent_audio import in_frames

TENANT = "bright-smile"
GATEWAY = "gateway-test"
STT = "stt-1"
STREAM = "MZ18ad3ab5a668481ce02b83e7395059f0"
NUMBERS = {"to": "+15550100", "from": "+15550142"}
MULAW = {"encoding": "audio/x-mulaw", "sampleRate": "8000", "channels": "1"}
SOUND = bytes(range(160))
KEYRING = Keyring.parse(f"test:{base64.b64encode(bytes(32)).decode()}")
OPEN: dict[str, Any] = {
    "gateway_port": 0,
    "gateway_open_loopback": True,
    "gateway_token_keyring": f"test:{base64.b64encode(bytes(32)).decode()}",
}
"""The settings of a gateway that takes callers of this machine without a token."""


def accepted(epoch: int = 1, **changes: Any) -> OpenCallReply:
    """The session says yes."""
    workers = {Role.STT: STT, Role.LLM: "llm-1", Role.TTS: "tts-1"}
    return OpenCallReply(
        tenant=TENANT,
        epoch=epoch,
        number="+15550100",
        **{"workers": workers, "assistant": RECEPTION, **changes},
    )


def token(call: str, *, age_s: int = 0, **changes: Any) -> str:
    """A media token of the stand's keyring, which holds for a minute and was made `age_s` ago."""
    now_s = int(time.time()) - age_s
    claims = {"call": call, **NUMBERS, "tenant": TENANT, "iat": now_s, "exp": now_s + 60, **changes}
    return issue(KEYRING, MediaClaims.model_validate(claims))


def start(**changes: Any) -> dict[str, Any]:
    """Twilio's start."""
    body = {
        "streamSid": STREAM,
        "accountSid": "AC1",
        "callSid": "CA1",
        "tracks": ["inbound"],
        "mediaFormat": MULAW,
        "customParameters": NUMBERS,
    }
    return {"event": "start", "sequenceNumber": "1", "streamSid": STREAM, "start": {**body, **changes}}


def media(payload: bytes = SOUND) -> dict[str, Any]:
    """Twilio's media."""
    text = pybase64.b64encode(payload).decode()
    body = {"track": "inbound", "chunk": "1", "timestamp": "5", "payload": text}
    return {"event": "media", "sequenceNumber": "2", "streamSid": STREAM, "media": body}


class Caller:
    """A Twilio stream on the `websockets` library, which shares nothing with the server's."""

    def __init__(self, socket: ClientConnection, *, echo_marks: bool) -> None:
        self.socket = socket
        self.sound: list[bytes] = []
        self.clears = 0
        self.sound_at_clear = 0
        self.code: int | None = None
        self.reason = ""
        self._echo_marks = echo_marks
        self._reader = asyncio.create_task(self._read())

    @classmethod
    @asynccontextmanager
    async def at(
        cls, url: str, *, echo_marks: bool = True, headers: dict[str, str] | None = None
    ) -> AsyncIterator[Self]:
        """Connect, and leave at the end."""
        async with connect(url, compression=None, max_size=None, additional_headers=headers) as socket:
            caller = cls(socket, echo_marks=echo_marks)
            yield caller
        await caller._reader

    async def say(self, message: dict[str, Any]) -> None:
        """One JSON message."""
        await self.socket.send(orjson.dumps(message), text=True)

    async def begin(self, **parameters: str) -> None:
        """Connected and start, with these parameters in place of the numbers."""
        await self.say({"event": "connected", "protocol": "Call", "version": "1.0.0"})
        await self.say(start(customParameters=parameters or NUMBERS))

    async def closed(self) -> tuple[int | None, str]:
        """Wait for the close; its code and reason."""
        await asyncio.wait_for(asyncio.shield(self._reader), 20)
        return self.code, self.reason

    async def _read(self) -> None:
        try:
            while True:
                await self._take(orjson.loads(await self.socket.recv()))
        except ConnectionClosed:
            self.code, self.reason = self.socket.close_code, self.socket.close_reason or ""

    async def _take(self, message: dict[str, Any]) -> None:
        assert message["streamSid"] == STREAM
        match message["event"]:
            case "media":
                self.sound += in_frames(pybase64.b64decode(message["media"]["payload"]))
            case "mark" if self._echo_marks:
                await self.say({"event": "mark", "streamSid": STREAM, "mark": message["mark"]})
            case "clear":
                self.clears += 1
                self.sound_at_clear = len(self.sound)


class Stand:
    """One gateway, and everything around it that the test speaks for."""

    def __init__(self, app: GatewayApp, gateway: Context, others: Context) -> None:
        self.app = app
        self.gateway = gateway
        self.others = others
        self.asked: list[OpenCall] = []
        self.heard: list[Frame] = []
        self.heard_by: dict[str, list[Frame]] = {}
        self.events: list[Event[Any]] = []
        self.beats: list[Heartbeat] = []
        self.answer: Callable[[OpenCall], Awaitable[OpenCallReply]] = self._accept

    async def listen(self) -> None:
        """Take the other services' part on the bus."""
        bus = self.others.bus
        await bus.on_frames(STT, self._keep_frame)
        await bus.on_every_call(
            self._keep_event, CALL_STARTED, DTMF_RECEIVED, LEG_ENDED, PLAYOUT_STARTED, PLAYOUT_ENDED
        )
        await bus.on_messages(
            HEARTBEAT.subject(role=Role.GATEWAY.value, process=GATEWAY), Heartbeat, self._keep_beat
        )
        await bus.flush()

    async def open_session(self) -> None:
        """Answer session.open from now on."""
        await self.others.bus.respond(SESSION_OPEN.subject(), OpenCall, OpenCallReply, self._answer)
        await self.others.bus.flush()

    # -- what the test sees --------------------------------------------------------------------------

    def bodies(self, kind: type[Message]) -> list[Any]:
        """The events of one kind so far."""
        return [event.body for event in self.events if isinstance(event.body, kind)]

    def refused(self) -> dict[tuple[str, ...], int]:
        """Legs refused, by code."""
        return dict(self.gateway.metrics.counter(LEGS_REFUSED).counts)

    def dropped(self) -> dict[tuple[str, ...], int]:
        """Frames dropped, by reason."""
        return dict(self.gateway.metrics.counter(FRAMES_DROPPED).counts)

    async def call(self, caller: Caller, **parameters: str) -> CallRef:
        """Begin a call on this caller's socket and wait until it has started."""
        known = len(self.events)
        await caller.begin(**parameters)
        await eventually(
            lambda: any(e.body.__class__.__name__ == "CallStarted" for e in self.events[known:]), "start"
        )
        return next(e.ref for e in self.events[known:] if e.body.__class__.__name__ == "CallStarted")

    async def ended(self, kind: type[LegEnded | PlayoutEnded] = LegEnded) -> Any:
        """The first event of this kind, once it is there."""
        await eventually(lambda: self.bodies(kind), kind.__name__)
        return self.bodies(kind)[0]

    # -- what the test does for others ---------------------------------------------------------------

    async def speak(self, ref: CallRef, frames: Iterable[Frame]) -> None:
        """As tts: send agent frames."""
        subject = AGENT_AUDIO.subject(process=GATEWAY, tenant=ref.tenant, call=ref.call)
        for frame in frames:
            self.others.bus.send_frame(subject, frame)

    async def hang_up(self, ref: CallRef) -> CommandReply:
        """As session: command the leg to end."""
        command = HangUp(reason=EndReason.COMMANDED)
        return await self.others.bus.request(
            HANG_UP, command, CommandReply, timeout_s=20, tenant=ref.tenant, call=ref.call
        )

    async def _accept(self, _: OpenCall) -> OpenCallReply:
        return accepted()

    async def _answer(self, request: OpenCall) -> OpenCallReply:
        self.asked.append(request)
        return await self.answer(request)

    def _keep_frame(self, ref: CallRef, frame: Frame) -> None:
        self.heard.append(frame)
        self.heard_by.setdefault(ref.call, []).append(frame)

    async def _keep_event(self, event: Event[Any]) -> None:
        self.events.append(event)

    async def _keep_beat(self, beat: Heartbeat) -> None:
        self.beats.append(beat)


@asynccontextmanager
async def gateway_stand(nats_url: str, *, session: bool = True, **changes: Any) -> AsyncIterator[Stand]:
    """A started gateway on a free port."""
    settings = Settings(nats_url=nats_url, **{**OPEN, **changes})
    failures: list[BaseException] = []
    async with (
        service_context(ProcessSettings(nats_url=nats_url), "others") as others,
        service_context(settings, "gateway", process=GATEWAY, on_task_failure=failures.append) as context,
    ):
        app = build(settings, context)
        stand = Stand(app, context, others)
        await stand.listen()
        if session:
            await stand.open_session()
        await app.start()
        try:
            yield stand
        finally:
            await app.stop()
    assert not failures
