"""The parts that need no platform: levels, the story by ear, and a bus that is away."""

from __future__ import annotations

import io

import numpy as np
import pytest
from rich.console import Console

from audio.g711 import encode_mulaw
from runtime.clock import SystemClock
from tests.support.clock import ManualClock
from tests.support.waiting import eventually
from tests.unit.trunkline.fake_wire import FakeWire
from trunkline import bus_client
from trunkline.caller import Caller, Dialling
from trunkline.following import Following, level_db
from trunkline.ports import free_ports
from trunkline.utterance import of_mulaw
from trunkline.view import CallView

TONE = encode_mulaw((np.sin(np.arange(160) / 3) * 8_000).astype(np.int16))
DIALLING = Dialling("ws://x/media/twilio", "+15550100", "+15550123", "CA1")


def call() -> tuple[Caller, FakeWire, CallView, io.StringIO]:
    out, wire = io.StringIO(), FakeWire(ManualClock())
    view = CallView(Console(file=out, force_terminal=False, width=100, highlight=False))
    return Caller(DIALLING, SystemClock(), connect=wire.connect), wire, view, out


async def test_without_a_bus_the_story_is_told_by_ear() -> None:
    caller, wire, view, out = call()
    async with Following(caller, view, None) as following, caller:
        wire.say_media(TONE * 2)
        await eventually(lambda: "agent   speaks" in out.getvalue(), "the greeting")
        said = caller.say(of_mulaw("hello", TONE * 3))
        await said.finished.wait()
        wire.say_clear()
        wire.say_media(TONE)
        await eventually(lambda: out.getvalue().count("agent   speaks") == 2, "the answer")
        assert not await following.story_told(0.1)
    text = out.getvalue()
    assert "caller  says hello" in text
    assert "(after " in text.splitlines()[-1]


async def test_a_bus_that_is_away_costs_the_transcript_and_not_the_call(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(bus_client, "_CONNECT_S", 0.1)
    (port,) = free_ports(1)
    caller, wire, view, out = call()
    async with Following(caller, view, f"nats://127.0.0.1:{port}"), caller:
        await eventually(lambda: "no transcript: the bus does not answer" in out.getvalue(), "the note")
        wire.say_media(TONE)
        await eventually(lambda: "agent   speaks" in out.getvalue(), "the agent")


@pytest.mark.parametrize(("mulaw", "db"), [(b"", -99), (b"\xff" * 160, -99), (b"\x00" * 160, -0.1)])
def test_levels_are_against_full_scale(mulaw: bytes, db: float) -> None:
    assert level_db(mulaw) == pytest.approx(db, abs=0.3)


def test_a_tone_of_a_quarter_has_its_level() -> None:
    assert level_db(TONE) == pytest.approx(20 * np.log10(8_000 / 32_768 / 2**0.5), abs=0.5)
