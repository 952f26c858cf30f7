"""Events are sent again until the stream has them, given up in the end, and lost to no restart of NATS."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

from contracts.identities import CallRef
from contracts.messages import Event, SpeechDismissed
from contracts.streams import CALLS
from contracts.telemetry import EVENTS_LOST
from runtime.bus import Bus
from runtime.outbox import Outbox
from runtime.settings import ProcessSettings
from tests.support.clock import ManualClock
from tests.support.context import service_context
from tests.support.waiting import eventually
from trunkline.nats_server import NatsServer

REF = CallRef("bright-smile", "01890a5d-ac96-774b-bcce-b302099a8057")


@dataclass
class Wire:
    """What an outbox sends goes here, while it is not cut."""

    limit: int = 100
    cut: bool = False
    sent: list[str] = field(default_factory=list)
    retried: int = 0
    lost: int = 0
    clock: ManualClock = field(default_factory=ManualClock)
    outbox: Outbox = field(init=False)

    def __post_init__(self) -> None:
        self.outbox = Outbox(
            self.send,
            self.clock,
            on_retry=self.count_retry,
            on_lost=self.count_lost,
            ack_timeout_s=2.0,
            tries=3,
            limit=self.limit,
        )

    async def send(self, subject: str, data: bytes, event_id: str) -> bool:
        if not self.cut:
            self.sent.append(event_id)
        return not self.cut

    def count_retry(self) -> None:
        self.retried += 1

    def count_lost(self) -> None:
        self.lost += 1

    async def sweep_after(self, seconds: float) -> None:
        self.clock.tick(seconds)
        await self.outbox.sweep()


async def test_what_is_acknowledged_is_sent_once() -> None:
    wire = Wire()
    await wire.outbox.put("a", "subject", b"")
    wire.outbox.acknowledged("a", None)
    await wire.sweep_after(60)
    assert (wire.sent, len(wire.outbox), wire.retried, wire.lost) == (["a"], 0, 0, 0)


async def test_what_is_not_is_sent_again_ever_later_and_then_given_up() -> None:
    wire = Wire()
    await wire.outbox.put("a", "subject", b"")
    await wire.sweep_after(1.9)
    assert wire.sent == ["a"]
    await wire.sweep_after(0.1)
    assert wire.sent == ["a", "a"]
    await wire.sweep_after(3.9)
    assert wire.sent == ["a", "a"], "the second wait is twice the first"
    await wire.sweep_after(0.1)
    assert (len(wire.sent), wire.lost) == (3, 0)
    await wire.sweep_after(6)
    assert (len(wire.sent), len(wire.outbox), wire.retried, wire.lost) == (3, 0, 2, 1)


async def test_a_refusal_is_tried_again_and_a_stray_acknowledgement_is_no_fault() -> None:
    wire = Wire()
    await wire.outbox.put("a", "subject", b"")
    wire.outbox.acknowledged("a", "insufficient resources")
    wire.outbox.acknowledged("never sent", "insufficient resources")
    wire.outbox.acknowledged("never sent", None)
    await wire.sweep_after(2)
    assert (wire.sent, len(wire.outbox)) == (["a", "a"], 1)


async def test_a_full_outbox_gives_up_the_oldest() -> None:
    wire = Wire(limit=2)
    for event_id in "abc":
        await wire.outbox.put(event_id, "subject", b"")
    await wire.outbox.resend()
    assert (len(wire.outbox), wire.lost) == (2, 1)
    assert wire.sent == ["a", "b", "c", "b", "c"]


async def test_an_absence_of_the_bus_is_no_try() -> None:
    wire = Wire(cut=True)
    await wire.outbox.put("a", "subject", b"")
    for _ in range(100):
        await wire.sweep_after(60)
    assert (len(wire.outbox), wire.lost, wire.retried) == (1, 0, 0)
    wire.cut = False
    await wire.sweep_after(0)
    assert (wire.sent, wire.retried) == (["a"], 0)


async def test_what_is_said_while_the_bus_comes_back_overtakes_nothing() -> None:
    wire = Wire()
    await wire.outbox.put("a", "subject", b"")
    wire.outbox.hold()
    await wire.outbox.put("b", "subject", b"")
    assert wire.sent == ["a"], "it may have been lost: what follows it waits"
    await wire.outbox.resend()
    await wire.outbox.put("c", "subject", b"")
    assert wire.sent == ["a", "a", "b", "c"]


async def test_what_could_not_be_sent_goes_before_what_is_said_later() -> None:
    wire = Wire(cut=True)
    for event_id in "ab":
        await wire.outbox.put(event_id, "subject", b"")
    wire.outbox.acknowledged("a", None)
    wire.cut = False
    await wire.outbox.put("c", "subject", b"")
    assert wire.sent == []
    await wire.sweep_after(0)
    assert wire.sent == ["b", "c"]


async def test_after_an_absence_everything_is_sent_in_order_however_often_the_bus_comes_and_goes() -> None:
    wire = Wire()
    await wire.outbox.put("a", "subject", b"")
    wire.cut = True
    await wire.outbox.put("b", "subject", b"")
    for _ in range(10):
        wire.cut = False
        await wire.outbox.resend()
        wire.cut = True
    assert wire.sent == ["a", *["a", "b"] * 10]
    assert wire.lost == 0


async def test_an_acknowledgement_in_mid_sweep_is_heeded() -> None:
    """While the first event is sent again the stream answers for the second, which was to be given up."""

    class Answering(Wire):
        async def send(self, subject: str, data: bytes, event_id: str) -> bool:
            if len(self.sent) >= 5:
                self.outbox.acknowledged("b", None)
            return await super().send(subject, data, event_id)

    wire = Answering()
    await wire.outbox.put("b", "subject", b"")
    await wire.sweep_after(2)
    await wire.sweep_after(4)
    await wire.outbox.put("a", "subject", b"")
    assert wire.sent == ["b", "b", "b", "a"]
    wire.outbox._pending["b"] = wire.outbox._pending.pop("b")  # behind the other, as after a resend
    wire.sent.append("-")
    await wire.sweep_after(6)
    assert (wire.sent[5:], wire.lost, len(wire.outbox)) == (["a"], 0, 1)


async def test_what_waited_for_nats_is_sent_when_it_is_back_and_not_some_time_later(
    nats_server: NatsServer,
) -> None:
    settings, still = ProcessSettings(nats_url=nats_server.url), ManualClock()
    async with service_context(settings, "speaker", clock=still) as context:
        nats_server.stop()
        await eventually(lambda: not context.bus.connected, "it notices")
        for turn in range(10):
            await context.bus.publish_event(REF, SpeechDismissed(turn=turn, audio_ms=0))
        assert context.bus.unacknowledged == 10
        nats_server.start()
        await eventually(
            lambda: not context.bus.unacknowledged, "the stream has them, and no time has passed"
        )
        info = await context.bus.jetstream.stream_info(CALLS.name)
        assert info.state.messages == 10


async def test_nothing_is_lost_when_nats_restarts_in_mid_publish(nats_server: NatsServer) -> None:
    """Each event is in the stream once, and the other side, which reconnects too, goes on hearing."""
    heard: set[int] = set()
    enough = asyncio.Event()

    async def hear(event: Event[Any]) -> None:
        heard.add(event.body.turn)

    async def speak(bus: Bus) -> int:
        turn = 0
        while not enough.is_set():
            await bus.publish_event(REF, SpeechDismissed(turn=turn, audio_ms=0))
            turn += 1
            await asyncio.sleep(0.002)
        return turn

    settings = ProcessSettings(nats_url=nats_server.url)
    async with service_context(settings, "listener") as there, service_context(settings, "speaker") as here:
        await there.bus.on_events(REF, hear)
        await there.bus.flush()
        speaking = asyncio.create_task(speak(here.bus))
        for _ in range(2):
            before = len(heard)
            await eventually(lambda before=before: len(heard) > before, "it is heard")  # type: ignore[misc]
            nats_server.stop()
            await eventually(lambda: here.bus.unacknowledged > 20, "it speaks on, to nobody")
            nats_server.start()
            await eventually(lambda: here.bus.connected and there.bus.connected, "both are back")
        enough.set()
        total = await speaking
        last = await here.bus.publish_event(REF, SpeechDismissed(turn=total, audio_ms=0))
        await eventually(lambda: last.body.turn in heard, "the last word is heard")
        assert await here.bus.settle(timeout_s=20)
        info = await here.bus.jetstream.stream_info(CALLS.name)
        assert info.state.messages == total + 1
        assert here.metrics.counter(EVENTS_LOST).total() == 0
