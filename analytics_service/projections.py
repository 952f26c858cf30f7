"""From an event to rows: one in the log of all events, and one fact about its call, turn or reply.

Each row depends on its event alone, so that order, repetition and restarts cannot change what a view shows.
The columns are those of `tables/0001_facts.sql`; times are microseconds since the Unix epoch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from analytics_service.ports import Row
from contracts import messages as m
from contracts.errors import MessageError, TrunklineError
from contracts.wire import channel_of

EVENT_LOG: Final = "event_log"
CALL_FACTS: Final = "call_facts"
TURN_FACTS: Final = "turn_facts"
REPLY_FACTS: Final = "reply_facts"
REJECTED_LOG: Final = "rejected_log"

WHOLE_REPLY: Final = -1
_KEPT_BYTES: Final = 64 * 1024
_EARLIEST_US: Final = 946_684_800_000_000  # 2000-01-01
_LATEST_US: Final = 10_413_792_000_000_000  # 2300-01-01, where DateTime64 ends


def project(event: m.Event[Any]) -> list[tuple[str, Row]]:
    """The rows of an event, each with its table; raises MessageError for a time that no call has."""
    rows: list[tuple[str, Row]] = [(EVENT_LOG, _logged(event))]
    fact = _FACTS.get(type(event.body))
    if fact is not None:
        table, columns = fact
        rows.append((table, {**_STAMPS[table](event), **columns(event.body)}))
    return rows


def rejection(
    subject: str, data: bytes, sequence: int, stored_us: int, error: TrunklineError
) -> tuple[str, Row]:
    """The row of a stream message that could not be read; what is longer than 64 KiB is cut."""
    return REJECTED_LOG, {
        "stored_at": stored_us,
        "sequence": sequence,
        "subject": subject,
        "code": error.code.value,
        "error": str(error),
        "size": len(data),
        "data_pii": data[:_KEPT_BYTES].decode(errors="backslashreplace"),
    }


def _logged(event: m.Event[Any]) -> Row:
    return {
        **_named(event),
        "id": event.id,
        "v": event.v,
        "epoch": event.epoch,
        "cause": event.cause or "",
        "trace": event.trace or "",
        "body_pii": event.body.model_dump_json(),
    }


def _named(event: m.Event[Any]) -> Row:
    return {
        "tenant": event.tenant,
        "call": event.call,
        "event": channel_of(event.body).name,
        "at": _moment("at_us", event.at_us),
    }


def _ranked(event: m.Event[Any]) -> Row:
    """A later epoch corrects an earlier one; within an epoch the later word counts (milliseconds)."""
    return {**_named(event), "rank": event.epoch << 48 | event.at_us // 1000}


_STAMPS: Final[dict[str, Callable[[m.Event[Any]], Row]]] = {
    CALL_FACTS: _ranked,
    TURN_FACTS: lambda event: {**_ranked(event), "id": event.id, "trace": event.trace or ""},
    REPLY_FACTS: lambda event: {**_ranked(event), "epoch": event.epoch, "cause": event.cause or ""},
}


def _moment(field: str, at_us: int) -> int:
    if not _EARLIEST_US <= at_us < _LATEST_US:
        raise MessageError(f"{field}={at_us} is no time of a call", mend="microseconds since the Unix epoch")
    return at_us


# -- calls -------------------------------------------------------------------------------------------


def _call_started(body: m.CallStarted) -> Row:
    return {
        "called": body.called,
        "caller": body.caller,
        "carrier_call_id": body.carrier_call_id,
        "protocol": body.protocol,
        "gateway": body.gateway,
        "assistant": body.assistant,
        "language": body.language,
        "channel": body.channel.value,
    }


def _call_rejected(body: m.CallRejected) -> Row:
    return {
        "called": body.called,
        "caller": body.caller,
        "carrier_call_id": body.carrier_call_id,
        "code": body.code.value,
        "status": body.status,
        "message": body.message,
        "channel": body.channel.value,
    }


def _call_ended(body: m.CallEnded) -> Row:
    cost = body.cost
    return {
        "reason": body.reason.value,
        "detail": body.detail,
        "started_at": _moment("started_us", body.started_us),
        "ended_at": _moment("ended_us", body.ended_us),
        "duration_ms": body.duration_ms,
        "cost_micros": cost.amount_micros if cost else None,
        "currency": cost.currency if cost else None,
        "billed_s": cost.billed_s if cost else None,
    }


def _leg_ended(body: m.LegEnded) -> Row:
    return {
        "leg_reason": body.reason.value,
        "leg_detail": body.detail,
        "frames_in": body.frames_in,
        "frames_out": body.frames_out,
        "frames_dropped": body.frames_dropped,
    }


# -- turns -------------------------------------------------------------------------------------------


def _speech_started(body: m.SpeechStarted) -> Row:
    return {
        "turn": body.turn,
        "onset_at": _moment("started_us", body.started_us),
        "detected_at": _moment("detected_us", body.detected_us),
    }


def _speech_dismissed(body: m.SpeechDismissed) -> Row:
    return {"turn": body.turn, "noise_ms": body.audio_ms}


def _turn_ended(body: m.TurnEnded) -> Row:
    return {
        "turn": body.turn,
        "text_pii": body.text_pii,
        "language": body.language,
        "confidence": body.confidence,
        "words": len(body.text_pii.split()),
        "speech_started_at": _moment("speech_started_us", body.speech_started_us),
        "speech_ended_at": _moment("speech_ended_us", body.speech_ended_us),
        "decided_at": _moment("decided_us", body.decided_us),
        "audio_ms": body.audio_ms,
        "decode_ms": body.decode_ms,
        "engine": body.engine,
        "speculative": body.speculative,
    }


# -- replies -----------------------------------------------------------------------------------------


def _reply_sentence(body: m.ReplySentence) -> Row:
    return {
        "reply": body.reply,
        "sentence": body.index,
        "turn": body.turn,
        "text_pii": body.text_pii,
        "llm_engine": body.engine,
    }


def _reply_completed(body: m.ReplyCompleted) -> Row:
    return {
        "reply": body.reply,
        "sentence": WHOLE_REPLY,
        "turn": body.turn,
        "llm_engine": body.engine,
        "llm_outcome": body.outcome.value,
        "sentences": body.sentences,
        "first_sentence_ms": body.first_sentence_ms,
        "llm_total_ms": body.total_ms,
        "prompt_tokens": body.prompt_tokens,
        "completion_tokens": body.completion_tokens,
        "next": body.then.value,
    }


def _sentence_synthesized(body: m.SentenceSynthesized) -> Row:
    return {
        "reply": body.reply,
        "sentence": body.index,
        "tts_outcome": body.outcome.value,
        "first_audio_ms": body.first_audio_ms,
        "audio_ms": body.audio_ms,
        "synthesis_ms": body.synthesis_ms,
        "cached": body.cached,
        "tts_engine": body.engine,
        "voice": body.voice,
    }


def _playout_started(body: m.PlayoutStarted) -> Row:
    return {
        "reply": body.reply,
        "sentence": WHOLE_REPLY,
        "first_frame_at": _moment("first_frame_us", body.first_frame_us),
    }


def _playout_ended(body: m.PlayoutEnded) -> Row:
    return {
        "reply": body.reply,
        "sentence": WHOLE_REPLY,
        "playout_outcome": body.outcome.value,
        "heard_ms": body.heard_ms,
        "heard_sentences": body.heard_sentences,
        "partial_ms": body.partial_ms,
        "playout_ended_at": _moment("ended_us", body.ended_us),
    }


_FACTS: Final[dict[type[m.Message], tuple[str, Callable[[Any], Row]]]] = {
    m.CallStarted: (CALL_FACTS, _call_started),
    m.CallRejected: (CALL_FACTS, _call_rejected),
    m.CallEnded: (CALL_FACTS, _call_ended),
    m.LegEnded: (CALL_FACTS, _leg_ended),
    m.SpeechStarted: (TURN_FACTS, _speech_started),
    m.SpeechDismissed: (TURN_FACTS, _speech_dismissed),
    m.TurnEnded: (TURN_FACTS, _turn_ended),
    m.ReplySentence: (REPLY_FACTS, _reply_sentence),
    m.ReplyCompleted: (REPLY_FACTS, _reply_completed),
    m.SentenceSynthesized: (REPLY_FACTS, _sentence_synthesized),
    m.PlayoutStarted: (REPLY_FACTS, _playout_started),
    m.PlayoutEnded: (REPLY_FACTS, _playout_ended),
}
