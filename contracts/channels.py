"""The channel table: every subject of the platform, what it carries, who says it and who listens.

To add one: a row here, its model in `contracts.messages`, an example in `contracts.examples`, one test run.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, Generic, TypeVar, cast

from pydantic import ValidationError

from contracts import messages as m
from contracts.errors import MessageError, SubjectError, VersionError
from contracts.frames import Frame
from contracts.identities import CallRef, check_token
from contracts.messages.base import Event, Message
from contracts.streams import ALERTS, ASSISTANTS_BUCKET, CALLS, CALLS_BUCKET

MessageT = TypeVar("MessageT")
M = TypeVar("M", bound=Message)


class Plane(StrEnum):
    """How a channel travels: what a listener may expect of delivery."""

    AUDIO = "core NATS, binary frames"
    RECORD = "core NATS for latency, JetStream for truth"
    LIVE = "core NATS, for eyes"
    COMMAND = "request/reply to one call"
    WORKER = "core NATS, to and from one process"
    RPC = "request/reply, queue group"
    KV = "JetStream KV"
    ALERT = "JetStream, for operators"


@dataclass(frozen=True, slots=True)
class Channel(Generic[MessageT]):
    """One row of the table: `pattern` holds its tokens in braces, `reply` is what answers a request."""

    name: str
    pattern: str
    message: type[MessageT]
    plane: Plane
    retention: str
    producers: tuple[str, ...]
    consumers: tuple[str, ...]
    summary: str
    reply: type[m.Reply] | None = None

    @property
    def tokens(self) -> tuple[str, ...]:
        """The kinds of token in the pattern, in order."""
        return tuple(_TOKEN.findall(self.pattern))

    def subject(self, **tokens: str) -> str:
        """The subject with its tokens filled in; SubjectError for one missing, malformed or unknown."""
        checked = self._checked(tokens)
        for kind in self.tokens:
            if kind not in checked:
                raise SubjectError(f"{self.pattern} needs a token {kind!r}", mend="pass it by name")
        return self.pattern.format_map(checked)

    def wildcard(self, **tokens: str) -> str:
        """The subject to subscribe to: `*` for each token that is not given."""
        checked = self._checked(tokens)
        return _TOKEN.sub(lambda match: checked.get(match[1], "*"), self.pattern)

    def _checked(self, tokens: dict[str, str]) -> dict[str, str]:
        for kind in tokens:
            if kind not in self.tokens:
                raise SubjectError(
                    f"{self.pattern} has no token {kind!r}",
                    mend=f"its tokens: {', '.join(self.tokens) or 'none'}",
                )
        return {kind: check_token(kind, value) for kind, value in tokens.items()}


_TOKEN: Final = re.compile(r"\{(\w+)\}")
_CALL: Final = "call.{tenant}.{call}."
_DAYS: Final = f"stream {CALLS.name}, {CALLS.max_age_s // 86_400} days"
_NONE: Final = "none"

RECORD_READERS: Final = ("analytics", "trunkline")
"""Who reads all of the record, from the stream."""


def _record(
    name: str, body: type[M], producers: tuple[str, ...], consumers: tuple[str, ...], summary: str
) -> Channel[M]:
    """A row of the record: a call event, seen by all who read the record besides those who react to it."""
    return Channel(
        name, _CALL + name, body, Plane.RECORD, _DAYS, producers, (*consumers, *RECORD_READERS), summary
    )


def _router(method: str, request: type[M], reply: type[m.Reply], summary: str) -> Channel[M]:
    """A row of what router offers to those who speak for people."""
    name, askers = f"router.{method}", ("gateway", "trunkline")
    return Channel(name, f"rpc.{name}", request, Plane.RPC, _NONE, askers, ("router",), summary, reply)


CALLER_AUDIO: Final = Channel(
    "audio.caller",
    "audio.{process}.{tenant}.{call}",
    Frame,
    Plane.AUDIO,
    _NONE,
    ("gateway",),
    ("stt", "trunkline"),
    "Caller frames of 20 ms, stamped on the gateway's clock, to the STT worker that holds the call.",
)
AGENT_AUDIO: Final = Channel(
    "audio.agent",
    "audio.{process}.{tenant}.{call}",
    Frame,
    Plane.AUDIO,
    _NONE,
    ("tts",),
    ("gateway", "trunkline"),
    "Agent frames, by reply and sentence, to the gateway that holds the leg.",
)

CALL_STARTED: Final = _record(
    "call.started",
    m.CallStarted,
    ("gateway",),
    ("llm", "session"),
    "The leg is answered; the greeting may be said.",
)
CALL_REJECTED: Final = _record(
    "call.rejected", m.CallRejected, ("session",), (), "A call was refused before answer, with its code."
)
CALL_ENDED: Final = _record(
    "call.ended",
    m.CallEnded,
    ("session",),
    ("gateway", "stt", "llm", "tts"),
    "The call is over; once per call.",
)
LEG_ENDED: Final = _record("leg.ended", m.LegEnded, ("gateway",), ("session",), "The leg is gone, and why.")
DTMF_RECEIVED: Final = _record(
    "dtmf.received", m.DtmfReceived, ("gateway",), ("llm",), "The caller pressed a key."
)
SPEECH_STARTED: Final = _record(
    "speech.started",
    m.SpeechStarted,
    ("stt",),
    ("gateway", "llm", "tts"),
    "The caller speaks: barge-in begins here.",
)
SPEECH_DISMISSED: Final = _record(
    "speech.dismissed", m.SpeechDismissed, ("stt",), ("llm",), "What began as speech held no words."
)
TURN_ENDED: Final = _record(
    "turn.ended", m.TurnEnded, ("stt",), ("llm", "gateway"), "The caller's turn is over; its text."
)
REPLY_SENTENCE: Final = _record(
    "reply.sentence", m.ReplySentence, ("llm",), ("tts",), "A speakable sentence, as soon as it is complete."
)
REPLY_COMPLETED: Final = _record(
    "reply.completed",
    m.ReplyCompleted,
    ("llm",),
    ("tts", "gateway"),
    "The reply's text is over, and what follows.",
)
SENTENCE_SYNTHESIZED: Final = _record(
    "sentence.synthesized",
    m.SentenceSynthesized,
    ("tts",),
    ("llm",),
    "A sentence's audio is made; its length.",
)
PLAYOUT_STARTED: Final = _record(
    "playout.started", m.PlayoutStarted, ("gateway",), (), "The first frame of a reply left for the caller."
)
PLAYOUT_ENDED: Final = _record(
    "playout.ended", m.PlayoutEnded, ("gateway",), ("llm", "tts"), "What the caller heard of a reply."
)
ENGINE_FAILED: Final = _record(
    "engine.failed", m.EngineFailed, ("stt", "llm", "tts"), (), "An engine failed; which one took over."
)

TRANSCRIPT_PARTIAL: Final = Channel(
    "transcript.partial",
    "live.{tenant}.{call}.transcript.partial",
    m.PartialTranscript,
    Plane.LIVE,
    _NONE,
    ("stt",),
    ("trunkline",),
    "The turn so far; replaced by the next one and by turn.ended.",
)

HANG_UP: Final = Channel(
    "hangup",
    "cmd.{tenant}.{call}.hangup",
    m.HangUp,
    Plane.COMMAND,
    _NONE,
    ("session",),
    ("gateway",),
    "End the leg of this call.",
    m.CommandReply,
)

HEARTBEAT: Final = Channel(
    "heartbeat",
    "worker.{role}.{process}.heartbeat",
    m.Heartbeat,
    Plane.WORKER,
    _NONE,
    ("gateway", "stt", "llm", "tts"),
    ("session",),
    "Alive, and how loaded; every second.",
)
ASSIGN: Final = Channel(
    "assign",
    "worker.{role}.{process}.assign",
    m.Assign,
    Plane.WORKER,
    _NONE,
    ("session",),
    ("stt", "llm", "tts"),
    "Take this call; answered once its events are heard.",
    m.Assigned,
)
RELEASE: Final = Channel(
    "release",
    "worker.{role}.{process}.release",
    m.Release,
    Plane.WORKER,
    _NONE,
    ("session",),
    ("stt", "llm", "tts"),
    "Let go of this call.",
)

SESSION_OPEN: Final = Channel(
    "session.open",
    "rpc.session.open",
    m.OpenCall,
    Plane.RPC,
    _NONE,
    ("gateway",),
    ("session",),
    "May this call be answered, and by whom?",
    m.OpenCallReply,
)
SESSION_ACTIVE: Final = Channel(
    "session.active",
    "rpc.session.active",
    m.ListActiveCalls,
    Plane.RPC,
    _NONE,
    ("trunkline",),
    ("session",),
    "Which calls hold slots now?",
    m.ActiveCalls,
)
ANALYTICS_QUERY: Final = Channel(
    "analytics.query",
    "rpc.analytics.query",
    m.SqlQuery,
    Plane.RPC,
    _NONE,
    ("trunkline",),
    ("analytics",),
    "One read-only statement against the reporting store.",
    m.SqlResult,
)

ROUTER_TENANTS: Final = _router(
    "tenants", m.TenantsRequest, m.TenantsReply, "Businesses: create, list, rename, close."
)
ROUTER_USERS: Final = _router("users", m.UsersRequest, m.UsersReply, "Members of a tenant and their roles.")
ROUTER_NUMBERS: Final = _router(
    "numbers", m.NumbersRequest, m.NumbersReply, "Called numbers: create, assign, configure."
)
ROUTER_ASSISTANTS: Final = _router(
    "assistants",
    m.AssistantsRequest,
    m.AssistantsReply,
    "Who answers: configure, look at revisions, restore one.",
)
ROUTER_CREDENTIALS: Final = _router(
    "credentials", m.CredentialsRequest, m.CredentialsReply, "Secrets of vendors: stored, never read back."
)
ROUTER_KEYS: Final = _router("keys", m.KeysRequest, m.KeysReply, "API keys: made, listed, revoked.")
ROUTER_SUBSCRIPTIONS: Final = _router(
    "subscriptions", m.SubscriptionsRequest, m.SubscriptionsReply, "Plans, and which tenant is on which."
)
ROUTER_AUDIT: Final = _router("audit", m.AuditRequest, m.AuditReply, "Who changed what, and when.")
ROUTER_AUTHENTICATE: Final = _router(
    "authenticate", m.AuthenticateRequest, m.AuthenticateReply, "Who is this?"
)
ROUTER_PREVIEW: Final = _router(
    "preview", m.PreviewRequest, m.PreviewReply, "What would a number be answered with?"
)

NUMBER_SNAPSHOT: Final = Channel(
    "number.snapshot",
    f"$KV.{ASSISTANTS_BUCKET.name}.{{number}}",
    m.NumberSnapshot,
    Plane.KV,
    f"bucket {ASSISTANTS_BUCKET.name}, {ASSISTANTS_BUCKET.history} revisions",
    ("router",),
    ("session", "trunkline"),
    "A called number resolved to tenant, limits and assistant.",
)
ACTIVE_CALL: Final = Channel(
    "call.active",
    f"$KV.{CALLS_BUCKET.name}.{{call}}",
    m.ActiveCall,
    Plane.KV,
    f"bucket {CALLS_BUCKET.name}, until the call ends",
    ("session",),
    ("session",),
    "A call that holds a slot, with its assignments and epoch.",
)

CONFIGURATION_BROKEN: Final = Channel(
    "configuration.broken",
    "alert.{tenant}.configuration.broken",
    m.ConfigurationBroken,
    Plane.ALERT,
    f"stream {ALERTS.name}, {ALERTS.max_age_s // 86_400} days",
    ("router",),
    ("trunkline",),
    "A number's configuration does not hold, and what answers meanwhile.",
)

CHANNELS: Final[tuple[Channel[Any], ...]] = tuple(
    value for value in list(globals().values()) if isinstance(value, Channel)
)
_RECORD: Final = {row.name: row for row in CHANNELS if row.plane in (Plane.RECORD, Plane.LIVE)}
_BY_BODY: Final = {row.message: row for row in _RECORD.values()}


def wire_model(row: Channel[Any]) -> type[Message]:
    """The model of what travels on `row`: a call event in its envelope, any other message as it is.

    Raises MessageError for audio, whose frames are `contracts.frames`.
    """
    if row.plane is Plane.AUDIO:
        raise MessageError(f"{row.name} carries binary frames", mend="use contracts.frames.decode_frame")
    if row.plane not in (Plane.RECORD, Plane.LIVE):
        return cast("type[Message]", row.message)
    return Event.__class_getitem__(row.message)  # type: ignore[return-value]  # declared too wide by pydantic


_MODELS: Final = {name: cast("type[Event[Any]]", wire_model(row)) for name, row in _RECORD.items()}


def channel_of(body: M) -> Channel[M]:
    """The call channel that carries this body; raises MessageError for a message that is not a call event."""
    try:
        return _BY_BODY[type(body)]
    except KeyError:
        raise MessageError(
            f"{type(body).__name__} is not a call event", mend="see contracts/channels.py"
        ) from None


def every_event_of(ref: CallRef) -> str:
    """The subject filter for all recorded events of one call."""
    return f"call.{check_token('tenant', ref.tenant)}.{check_token('call', ref.call)}.>"


def every_event() -> str:
    """The subject filter for all recorded events of all calls."""
    return "call.*.*.>"


def every_frame() -> str:
    """The subject filter for all audio of all calls, both ways."""
    return CALLER_AUDIO.wildcard()


def event_name(subject: str) -> str:
    """The name of the event on a `call.*` subject, such as `turn.ended`; empty for any other subject."""
    tokens = subject.split(".", 3)
    return tokens[3] if len(tokens) == 4 and tokens[0] == "call" else ""


def every_frame_to(process: str) -> str:
    """The one audio subscription of a process."""
    return CALLER_AUDIO.wildcard(process=process)


def every_eye_on(ref: CallRef) -> str:
    """The subject filter for everything live about one call."""
    return f"live.{check_token('tenant', ref.tenant)}.{check_token('call', ref.call)}.>"


def call_in(subject: str) -> CallRef:
    """Tenant and call of an audio, call, live or cmd subject; raises SubjectError for any other."""
    tokens = subject.split(".")
    at = {"audio": 2, "call": 1, "live": 1, "cmd": 1}.get(tokens[0])
    if at is None or len(tokens) < at + 2:
        raise SubjectError(
            f"no call in subject {subject!r}", mend="expected audio.*, call.*, live.* or cmd.*"
        )
    return CallRef(tokens[at], tokens[at + 1])


def decode_event(subject: str, data: bytes) -> Event[Any]:
    """The call event on `subject`.

    Raises SubjectError for a subject with no row, VersionError for a body version of the future, and
    MessageError for what does not fit the model or names another call than its subject.
    """
    tokens = subject.split(".", 3)
    row = _RECORD.get(tokens[3]) if len(tokens) == 4 else None
    if row is None or not row.pattern.startswith(f"{tokens[0]}."):
        raise SubjectError(
            f"no channel for {subject!r}", mend="see docs/channels.md; upgrade the older service"
        )
    try:
        event = _MODELS[row.name].model_validate_json(data)
    except ValidationError as error:
        _raise_if_newer(row, data)
        raise MessageError(
            f"{row.name}: {_first_fault(error)}", mend="see docs/channels.md for its fields"
        ) from error
    _check_version(row, event.v)
    if event.tenant != tokens[1] or event.call != tokens[2]:
        raise MessageError(
            f"{row.name} names another call than its subject", mend="publish it with its own CallRef"
        )
    return event


class _VersionOnly(Message):
    v: int = 0


def _raise_if_newer(row: Channel[Any], data: bytes) -> None:
    """A body of the future may not fit today's model: then its version is the fault to name."""
    try:
        _check_version(row, _VersionOnly.model_validate_json(data).v)
    except ValidationError:
        return


def _check_version(row: Channel[Any], version: int) -> None:
    known = row.message.version
    if version > known:
        raise VersionError(
            f"{row.name} version {version}; this build reads {known}", mend="upgrade this service"
        )


def _first_fault(error: ValidationError) -> str:
    fault = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(str(part) for part in fault["loc"]) or "message"
    return f"{where}: {fault['msg']}"
