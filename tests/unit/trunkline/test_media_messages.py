"""Against what Twilio documents: names, nesting, numbers as strings."""

from __future__ import annotations

import base64
import json
from typing import Any

from trunkline.media_messages import StreamMessages


def messages() -> StreamMessages:
    return StreamMessages("MZ1", "CA1")


def test_a_stream_begins_with_connected_and_start() -> None:
    stream = messages()
    assert json.loads(stream.connected()) == {"event": "connected", "protocol": "Call", "version": "1.0.0"}
    start = json.loads(stream.start({"to": "+15550100", "from": "+15550123"}))
    assert start["sequenceNumber"] == "1"
    assert start["streamSid"] == "MZ1"
    assert start["start"]["streamSid"] == "MZ1"
    assert start["start"]["callSid"] == "CA1"
    assert start["start"]["customParameters"] == {"to": "+15550100", "from": "+15550123"}
    assert start["start"]["mediaFormat"] == {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1}


def test_media_carries_its_payload_and_its_place() -> None:
    stream = messages()
    stream.start({})
    payload = bytes(range(160))
    assert json.loads(stream.media(3, 40, payload)) == {
        "event": "media",
        "sequenceNumber": "2",
        "streamSid": "MZ1",
        "media": {
            "track": "inbound",
            "chunk": "3",
            "timestamp": "40",
            "payload": base64.b64encode(payload).decode(),
        },
    }


def test_sequence_numbers_count_every_message_after_connected() -> None:
    stream = messages()
    sent = [
        stream.connected(),
        stream.start({}),
        stream.media(1, 0, b"\xff"),
        stream.mark("m"),
        stream.stop(),
    ]
    numbered: list[dict[str, Any]] = [json.loads(message) for message in sent[1:]]
    assert [message["sequenceNumber"] for message in numbered] == ["1", "2", "3", "4"]
    assert numbered[2]["mark"] == {"name": "m"}
    assert numbered[3]["stop"]["callSid"] == "CA1"
