"""The platform's end of a socket, of another library: answers every pause after sound with one loud frame."""

from __future__ import annotations

import base64
import json

from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection

from tests.unit.trunkline.fake_agent import TONE


def answering(connection: ServerConnection) -> None:
    answer = json.dumps({"event": "media", "media": {"payload": base64.b64encode(TONE).decode()}})
    loud = False
    try:
        for message in connection:
            content = json.loads(message)
            if content["event"] == "stop":
                return
            if content["event"] != "media":
                continue
            sounds = bool(set(base64.b64decode(content["media"]["payload"])) - {0xFF})
            if loud and not sounds:
                connection.send(answer)
            loud = sounds
    except ConnectionClosed:
        pass
