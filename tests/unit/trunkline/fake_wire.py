"""The platform's end of a caller's socket, in the test's own hands and on its own clock."""

from __future__ import annotations

import base64
import json
from typing import Any

from tests.support.clock import ManualClock
from trunkline.caller import Caller, Dialling
from trunkline.errors import CallFailed
from trunkline.media_socket import Receiver


class FakeWire:
    """Keeps what the caller sends with its time; says what the test wants said."""

    def __init__(self, clock: ManualClock) -> None:
        self._clock = clock
        self.sent: list[tuple[float, dict[str, Any]]] = []
        self.receiver: Receiver | None = None
        self.dialled: list[str] = []
        self.unreachable = 0

    async def connect(self, url: str, receiver: Receiver) -> FakeWire:
        self.dialled.append(url)
        if self.unreachable:
            self.unreachable -= 1
            raise CallFailed(f"nobody answers at {url}")
        self.receiver = receiver
        return self

    def send(self, message: bytes) -> None:
        self.sent.append((self._clock.monotonic_s(), json.loads(message)))

    def close(self) -> None:
        self.say_closed(1006, "")

    def of(self, event: str) -> list[dict[str, Any]]:
        return [message for _, message in self.sent if message["event"] == event]

    def times_of(self, event: str) -> list[float]:
        return [at for at, message in self.sent if message["event"] == event]

    def payloads(self) -> list[bytes]:
        return [base64.b64decode(message["media"]["payload"]) for message in self.of("media")]

    def say_media(self, payload: bytes) -> None:
        self._say({"event": "media", "media": {"payload": base64.b64encode(payload).decode()}})

    def say_mark(self, name: str) -> None:
        self._say({"event": "mark", "mark": {"name": name}})

    def say_clear(self) -> None:
        self._say({"event": "clear"})

    def say_closed(self, code: int, reason: str) -> None:
        assert self.receiver is not None
        self.receiver.on_closed(code, reason)

    def _say(self, message: dict[str, Any]) -> None:
        assert self.receiver is not None
        self.receiver.on_message(message)


def fake_call(
    clock: ManualClock,
    *,
    reattach_within_s: float = 0,
    others: tuple[str, ...] = (),
    token: str | None = None,
) -> tuple[Caller, FakeWire]:
    """A caller that has not dialled yet, and its wire."""
    wire = FakeWire(clock)
    dialling = Dialling(
        "ws://platform/media/twilio", "+15550100", "+15550123", "CA1", token=token, others=others
    )
    return Caller(dialling, clock, connect=wire.connect, reattach_within_s=reattach_within_s), wire
