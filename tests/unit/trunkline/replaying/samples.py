"""Recorded calls made by hand."""

from __future__ import annotations

from contracts.messages import EndReason
from tests.unit.trunkline.recording.samples import call_ref
from trunkline.recording.caller_audio import CallerAudio
from trunkline.recording.calls import RecordedCall
from trunkline.recording.conversation import Conversation, Turn
from trunkline.recording.index import CallEntry

GREETING = Turn(None, "", ("Hello.",), interrupted=False, stages={})
ANSWER = Turn(1, "when", ("Now.",), interrupted=False, stages={"endpoint": 300.0, "voice_to_voice": 500.0})


def recorded_call(
    number: int = 1,
    began_us: int = 0,
    *,
    frames: int = 10,
    keys: tuple[tuple[float, str], ...] = (),
    end: EndReason = EndReason.CALLER_HUNG_UP,
    heard_out: bool = True,
) -> RecordedCall:
    tenant, call = call_ref(number)
    entry = CallEntry(tenant=tenant, call=call, called="+15550199", began_us=began_us)
    audio = CallerAudio(bytes([number]) * 160 * frames, 1, 0)
    return RecordedCall(entry, "+15550123", audio, keys, Conversation((GREETING, ANSWER), heard_out, end))
