"""Recorded calls, ready to be replayed: what the caller sent, and the conversation that came of it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from contracts.errors import TrunklineError
from contracts.frames import Frame, decode_frames
from contracts.identities import CallRef
from contracts.messages import CallStarted, DtmfReceived, Event
from contracts.wire import call_in, decode_event, event_name
from trunkline.recording.caller_audio import CallerAudio, join_frames
from trunkline.recording.conversation import Conversation, conversation_of
from trunkline.recording.index import CallEntry
from trunkline.recording.reader import Recording


@dataclass(frozen=True, slots=True)
class RecordedCall:
    """One call that can be replayed; `keys` are digits and the seconds into the call they were pressed at."""

    entry: CallEntry
    caller: str
    audio: CallerAudio
    keys: tuple[tuple[float, str], ...]
    conversation: Conversation


@dataclass(slots=True)
class _Gathered:
    events: dict[str, Event[Any]] = field(default_factory=dict)
    frames: list[Frame] = field(default_factory=list)


def why_not(entry: CallEntry) -> str:
    """Why a call cannot be replayed; empty for one that can."""
    if entry.rejected:
        return "refused before answer"
    if entry.withheld:
        return "its tenant does not allow recording"
    if not entry.caller_frames:
        return "no audio was recorded"
    if entry.ended_us is None:
        return "the recording stops before its end"
    return ""


def replayable(recording: Recording) -> tuple[list[RecordedCall], Counter[str]]:
    """The calls that can be replayed, in the order they began, and how many cannot, by reason."""
    left_out = Counter(reason for entry in recording.index.calls if (reason := why_not(entry)))
    entries = {entry.ref: entry for entry in recording.index.calls if not why_not(entry)}
    gathered = _gather(recording, set(entries))
    calls = []
    for ref, entry in sorted(entries.items(), key=lambda item: item[1].began_us):
        call = _call(entry, gathered[ref])
        if call is None:
            left_out["its messages cannot be read"] += 1
        else:
            calls.append(call)
    return calls, left_out


def _gather(recording: Recording, refs: set[CallRef]) -> dict[CallRef, _Gathered]:
    found = {ref: _Gathered() for ref in refs}
    for message in recording.messages(refs):
        here = found[call_in(message.subject)]
        try:
            if event_name(message.subject):
                event = decode_event(message.subject, message.payload)
                here.events.setdefault(event.id, event)
            else:
                frames = decode_frames(message.payload)
                here.frames.extend(frame for frame in frames if not frame.reply)
        except TrunklineError:  # junk that was on the bus then, recorded as it was
            continue
    return found


def _call(entry: CallEntry, gathered: _Gathered) -> RecordedCall | None:
    events = list(gathered.events.values())
    started = next((event.body for event in events if isinstance(event.body, CallStarted)), None)
    audio = join_frames(gathered.frames)
    if started is None or audio is None:
        return None
    keys = tuple(
        (max(0.0, (event.at_us - audio.began_us) / 1_000_000), event.body.digit_pii)
        for event in events
        if isinstance(event.body, DtmfReceived)
    )
    return RecordedCall(entry, started.caller, audio, keys, conversation_of(events))
