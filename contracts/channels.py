"""The channel table: every subject of the platform, what it carries, who says it and who listens.

To add one: a row here, its model in `contracts.messages`, an example in `contracts.examples`, one test run.
"""

from __future__ import annotations

from typing import Any, Final, TypeVar

from contracts import messages as m
from contracts.channel import Channel, Plane
from contracts.frames import Frame
from contracts.messages.base import Message
from contracts.streams import (
    ALERTS,
    ANSWERS_BUCKET,
    ASSISTANTS_BUCKET,
    CALLS,
    CALLS_BUCKET,
    LEASE_KEY,
    LEASES_BUCKET,
    TERM_KEY,
)

M = TypeVar("M", bound=Message)

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
    name, askers = f"router.{method}", ("rest", "trunkline")
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
CALL_REASSIGNED: Final = _record(
    "call.reassigned",
    m.CallReassigned,
    ("session",),
    ("gateway", "stt", "llm", "tts"),
    "Another process speaks for a role from here on.",
)
CALL_DETACHED: Final = _record(
    "call.detached",
    m.CallDetached,
    ("session",),
    ("gateway", "stt", "llm", "tts"),
    "The call lost its gateway and waits for its leg.",
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

TAKE_OVER: Final = Channel(
    "takeover",
    "cmd.{tenant}.{call}.takeover",
    m.TakeOver,
    Plane.COMMAND,
    _NONE,
    ("stt", "tts"),
    ("gateway",),
    "A replacement has the call: where to send audio, and what is left to say.",
    m.TakenOver,
)

HEARTBEAT: Final = Channel(
    "heartbeat",
    "worker.{role}.{process}.heartbeat",
    m.Heartbeat,
    Plane.WORKER,
    _NONE,
    ("gateway", "stt", "llm", "tts"),
    ("session",),
    "Alive, and how loaded; a few times a second.",
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
    ("gateway", "rest"),
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
SESSION_CALLS: Final = Channel(
    "session.calls",
    "rpc.session.calls",
    m.ListLiveCalls,
    Plane.RPC,
    _NONE,
    ("gateway", "rest"),
    ("session",),
    "A page of the calls that hold slots.",
    m.LiveCalls,
)
SESSION_COUNTS: Final = Channel(
    "session.counts",
    "rpc.session.counts",
    m.CountCalls,
    Plane.RPC,
    _NONE,
    ("rest",),
    ("session",),
    "How many calls are there, and how many may be?",
    m.CountedCalls,
)
SESSION_END: Final = Channel(
    "session.end",
    "rpc.session.end",
    m.EndCall,
    Plane.RPC,
    _NONE,
    ("rest",),
    ("session",),
    "End this call.",
    m.EndCallReply,
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
ANALYTICS_CALLS: Final = Channel(
    "analytics.calls",
    "rpc.analytics.calls",
    m.ListCalls,
    Plane.RPC,
    _NONE,
    ("rest",),
    ("analytics",),
    "A page of the calls of the record.",
    m.CallRecords,
)
ANALYTICS_TRANSCRIPT: Final = Channel(
    "analytics.transcript",
    "rpc.analytics.transcript",
    m.GetTranscript,
    Plane.RPC,
    _NONE,
    ("rest",),
    ("analytics",),
    "What was said in a call?",
    m.Transcript,
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
    ("session", "rest", "trunkline"),
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
SESSION_LEASE: Final = Channel(
    "session.lease",
    f"$KV.{LEASES_BUCKET.name}.{LEASE_KEY}",
    m.LeaderLease,
    Plane.KV,
    f"bucket {LEASES_BUCKET.name}, the newest",
    ("session",),
    ("session",),
    "Which session process leads; written anew while it does.",
)
SESSION_TERM: Final = Channel(
    "session.term",
    f"$KV.{CALLS_BUCKET.name}.{TERM_KEY}",
    m.LeaderTerm,
    Plane.KV,
    f"bucket {CALLS_BUCKET.name}, the newest",
    ("session",),
    ("session",),
    "Whose term it is: a leader of an older one can write no call record.",
)

KEPT_ANSWER: Final = Channel(
    "answer.kept",
    f"$KV.{ANSWERS_BUCKET.name}.{{digest}}",
    m.KeptAnswer,
    Plane.KV,
    f"bucket {ANSWERS_BUCKET.name}, a day",
    ("rest",),
    ("rest",),
    "How a POST was answered that may be repeated with its idempotency key.",
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
