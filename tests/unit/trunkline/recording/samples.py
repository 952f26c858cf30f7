"""Recordings small enough to be looked at by the byte."""

from __future__ import annotations

import random
from pathlib import Path

import orjson

from contracts.channels import CALL_ENDED, CALL_STARTED, CALLER_AUDIO
from contracts.frames import Codec, Frame, encode_frame
from contracts.identities import CallRef, uuid7
from contracts.messages import CallStarted, Event
from trunkline.recording.file_format import Recorded
from trunkline.recording.index import Preamble
from trunkline.recording.writer import RecordingWriter

PREAMBLE = Preamble(trunkline="0.1.0", began_us=1_767_225_600_000_000, audio=True)


def call_ref(number: int, tenant: str = "acme") -> CallRef:
    return CallRef(tenant, uuid7(1_767_225_600_000 + number, random.Random(number)))


def started(ref: CallRef, at_us: int = 0, *, withheld: bool = False) -> Recorded:
    mark = {"withheld": True} if withheld else {}
    body = {"called": "+15550199", "caller": "+15550123", "carrier_call_id": f"CA-{ref.call}"}
    subject = CALL_STARTED.subject(**ref._asdict())
    return Recorded(at_us, subject, orjson.dumps({"body": body, **mark}))


def answered(ref: CallRef, at_us: int = 0) -> Recorded:
    """The first event of a call, whole, as `started` is not."""
    body = CallStarted(
        called="+15550199",
        caller="+15550123",
        carrier_call_id=f"CA-{ref.call}",
        protocol="twilio",
        gateway="gateway-1",
        assistant="a",
        language="en-US",
    )
    event = Event[CallStarted](id=ref.call, v=1, at_us=at_us, tenant=ref.tenant, call=ref.call, body=body)
    return Recorded(at_us, CALL_STARTED.subject(**ref._asdict()), event.model_dump_json().encode())


def ended(ref: CallRef, at_us: int) -> Recorded:
    return Recorded(at_us, CALL_ENDED.subject(**ref._asdict()), orjson.dumps({"body": {}}))


def frame(ref: CallRef, sequence: int, at_us: int, *, reply: int = 0) -> Recorded:
    data = encode_frame(Frame(Codec.MULAW, 8_000, sequence, at_us, bytes([sequence]) * 160, reply=reply))
    return Recorded(at_us, CALLER_AUDIO.subject(process="stt-1", **ref._asdict()), data)


def write(path: Path, *blocks: list[Recorded], finish: bool = True) -> RecordingWriter:
    writer = RecordingWriter(path, PREAMBLE)
    for block in blocks:
        for message in block:
            writer.add(message)
        writer.flush()
    if finish:
        writer.finish()
    return writer
