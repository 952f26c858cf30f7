"""An agent behind a `FakeWire`: greets, answers 300 ms after speech, stops when it is interrupted."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np

from audio.g711 import encode_mulaw
from tests.support.clock import ManualClock
from tests.unit.trunkline.fake_wire import FakeWire
from trunkline.caller import Caller, Dialling
from trunkline.earpiece import is_loud
from trunkline.utterance import Utterance, of_mulaw

TONE = encode_mulaw((np.sin(np.arange(160) / 3) * 8_000).astype(np.int16))
_DECIDES_AFTER_FRAMES = 15


class FakeAgent(FakeWire):
    """`answers` is how many frames each answer has, the greeting first; after the last one it hangs up."""

    def __init__(
        self, clock: ManualClock, answers: list[int], *, stops: bool = True, hangs_up: bool = True
    ) -> None:
        super().__init__(clock)
        self.deaf = False
        self._answers = answers
        self._stops = stops
        self._hangs_up = hangs_up
        self._left = 0
        self._quiet = 0
        self._heard_speech = True

    def send(self, message: bytes) -> None:
        super().send(message)
        if self.sent[-1][1]["event"] == "media":
            self._frame(self.payloads()[-1])

    def _frame(self, payload: bytes) -> None:
        if is_loud(payload):
            self._heard_speech, self._quiet = not self.deaf, 0
            if self._left and self._stops:
                self._left = 0
                self.say_clear()
        else:
            self._quiet += 1
        if self._heard_speech and self._quiet == _DECIDES_AFTER_FRAMES and self._answers:
            self._heard_speech = False
            self._left = self._answers.pop(0)
        if self._left:
            self._left -= 1
            self.say_media(TONE)
            if not self._left and not self._answers and self._hangs_up:
                self.say_closed(1000, "agent_hung_up")


def call_with(clock: ManualClock, agent: FakeAgent) -> Caller:
    return Caller(
        Dialling("ws://x/media/twilio", "+15550100", "+15550123", "CA1"), clock, connect=agent.connect
    )


def spoken(name: str, frames: int = 20) -> Utterance:
    return of_mulaw(name, TONE * frames)


async def finish(clock: ManualClock, work: asyncio.Future[Any], within_s: float = 120) -> Any:
    """The result of `work`, with time moving as fast as it can."""
    for _ in range(round(within_s / 0.5)):
        if work.done():
            break
        await clock.advance(0.5)
    assert work.done(), f"not within {within_s} s"
    return await work
