"""One after the other, in order, only what is wanted, and nothing after the end."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import AsyncIterator

import pytest

from runtime.listening import Listening
from runtime.process import Context
from runtime.settings import ProcessSettings
from tests.support.context import service_context
from tests.support.waiting import eventually


@pytest.fixture
async def context(nats_url: str) -> AsyncIterator[Context]:
    async with service_context(ProcessSettings(nats_url=nats_url), "probe") as context:
        yield context


class Ear:
    """Keeps what it hears; takes its time where `gate` is closed."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, bytes]] = []
        self.at_once = 0
        self.gate = asyncio.Event()
        self.gate.set()

    async def receive(self, subject: str, data: bytes) -> None:
        self.at_once += 1
        assert self.at_once == 1, "one after the other"
        await self.gate.wait()
        await asyncio.sleep(0)
        self.heard.append((subject, data))
        self.at_once -= 1


async def test_subjects_are_heard_in_the_order_in_which_all_of_them_come(context: Context) -> None:
    ear = Ear()
    listening = Listening(context.bus.client, ear.receive, context.tasks)
    await listening.begin(["call.t.c.one", "call.t.c.two"])
    tasks = len(context.tasks)
    for number in range(200):
        await context.bus.client.publish(f"call.t.c.{('one', 'two')[number % 2]}", b"%d" % number)
    await eventually(lambda: len(ear.heard) == 200, "all of them")
    assert [int(data) for _, data in ear.heard] == list(range(200))
    await eventually(lambda: len(context.tasks) == tasks, "no task where nothing waits")


async def test_only_the_names_that_are_wanted_are_heard(context: Context) -> None:
    ear = Ear()
    listening = Listening(context.bus.client, ear.receive, context.tasks, frozenset({"turn.ended"}))
    await listening.begin(["call.t.c.>"])
    for name in ("turn", "turn.ended", "ended", "turn.ended.twice", "reply.turn.ended", "turn.ended"):
        await context.bus.client.publish(f"call.t.c.{name}", b"")
    await context.bus.client.publish("call.t.c.turn.ended", b"last")
    await eventually(lambda: ("call.t.c.turn.ended", b"last") in ear.heard, "the last one")
    assert [subject for subject, _ in ear.heard] == ["call.t.c.turn.ended"] * 3


async def test_what_comes_by_another_way_waits_for_the_messages_before_it(context: Context) -> None:
    ear = Ear()
    listening = Listening(context.bus.client, ear.receive, context.tasks)
    await listening.begin(["call.t.c.>"])
    order: list[list[bytes]] = []

    def act() -> None:
        order.append([data for _, data in ear.heard])

    listening.behind(act)
    assert order == [[]], "at once where nothing waits"
    ear.gate.clear()
    await context.bus.client.publish("call.t.c.x", b"1")
    await context.bus.client.publish("call.t.c.x", b"2")
    await eventually(lambda: ear.at_once, "the first is being handled")
    await context.bus.flush()
    listening.behind(act)
    await context.bus.client.publish("call.t.c.x", b"3")
    await context.bus.flush()
    listening.behind(act)
    assert len(order) == 1
    ear.gate.set()
    await eventually(lambda: len(order) == 3, "both")
    assert order[1:] == [[b"1", b"2"], [b"1", b"2", b"3"]]


async def test_after_its_end_it_hears_nothing_not_even_what_waited(context: Context) -> None:
    ear = Ear()
    ear.gate.clear()
    listening = Listening(context.bus.client, ear.receive, context.tasks)
    await listening.begin(["call.t.c.>"])
    for number in range(3):
        await context.bus.client.publish("call.t.c.x", b"%d" % number)
    await eventually(lambda: ear.at_once, "the first is being handled")
    await context.bus.flush()
    await listening.unsubscribe()
    ear.gate.set()
    await context.bus.client.publish("call.t.c.x", b"late")
    await context.bus.flush()
    await eventually(lambda: ear.heard, "the first was handled")
    assert ear.heard == [("call.t.c.x", b"0")]


async def test_who_listened_is_free_at_once_after_the_end(context: Context) -> None:
    """A call holds its listening, which calls the call: else the collector would have to find it."""

    class Call(Ear):
        listening: Listening

    call = Call()
    call.listening = Listening(context.bus.client, call.receive, context.tasks)
    await call.listening.begin(["call.t.c.>"])
    await context.bus.client.publish("call.t.c.x", b"1")
    heard = call.heard
    await eventually(lambda: heard, "the message")
    await call.listening.unsubscribe()
    gone = weakref.ref(call)
    gc.disable()
    try:
        del call
        await eventually(lambda: gone() is None, "nobody holds it")
    finally:
        gc.enable()


async def test_what_comes_faster_than_it_is_handled_is_dropped_and_told(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runtime.listening._MOST_WAITING", 2)
    ear = Ear()
    ear.gate.clear()
    dropped: list[str] = []
    context.bus.client.when_dropped.append(dropped.append)
    await Listening(context.bus.client, ear.receive, context.tasks).begin(["call.t.c.>"])
    for number in range(5):
        await context.bus.client.publish("call.t.c.x", b"%d" % number)
        await context.bus.flush()
    ear.gate.set()
    await eventually(lambda: len(ear.heard) == 3, "what was taken in")
    assert [data for _, data in ear.heard] == [b"0", b"1", b"2"]
    assert dropped == ["call.t.c.x"] * 2
