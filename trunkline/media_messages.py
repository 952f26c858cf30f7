"""What a carrier says in Twilio Media Streams, byte for byte: numbers travel as strings."""

from __future__ import annotations

from typing import Any, Final

import orjson
from pybase64 import b64encode

_ACCOUNT: Final = "AC" + "0" * 32
_MEDIA_FORMAT: Final = {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1}


class StreamMessages:
    """The messages of one stream, numbered in the order in which they are made."""

    def __init__(self, stream: str, carrier_call_id: str) -> None:
        self._stream = stream
        self._carrier_call_id = carrier_call_id
        self._sequence = 0

    def connected(self) -> bytes:
        """The first message of a socket."""
        return orjson.dumps({"event": "connected", "protocol": "Call", "version": "1.0.0"})

    def start(self, parameters: dict[str, str]) -> bytes:
        """The stream begins; `parameters` carry the called and the calling number."""
        start = {
            "accountSid": _ACCOUNT,
            "streamSid": self._stream,
            "callSid": self._carrier_call_id,
            "tracks": ["inbound"],
            "customParameters": parameters,
            "mediaFormat": _MEDIA_FORMAT,
        }
        return self._numbered("start", start)

    def media(self, chunk: int, timestamp_ms: int, payload: bytes) -> bytes:
        """One mu-law frame of the caller; `chunk` counts from 1. Written by hand: 50 a second and caller."""
        self._sequence += 1
        return (
            b'{"event":"media","sequenceNumber":"%d","streamSid":"%s","media":'
            b'{"track":"inbound","chunk":"%d","timestamp":"%d","payload":"%s"}}'
            % (self._sequence, self._stream.encode(), chunk, timestamp_ms, b64encode(payload))
        )

    def mark(self, name: str) -> bytes:
        """Everything that was sent before the mark has been played, or cleared."""
        return self._numbered("mark", {"name": name})

    def dtmf(self, digit: str) -> bytes:
        """The caller pressed a key."""
        return self._numbered("dtmf", {"track": "inbound_track", "digit": digit})

    def stop(self) -> bytes:
        """The caller hangs up."""
        return self._numbered("stop", {"accountSid": _ACCOUNT, "callSid": self._carrier_call_id})

    def _numbered(self, event: str, content: dict[str, Any]) -> bytes:
        self._sequence += 1
        return orjson.dumps(
            {
                "event": event,
                "sequenceNumber": str(self._sequence),
                "streamSid": self._stream,
                event: content,
            }
        )
