"""A worker takes calls, hears their events once and in its epoch, lets go, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import time
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest

import runtime.history
import runtime.worker
from contracts.channels import ASSIGN, DTMF_RECEIVED, HEARTBEAT, RELEASE
from contracts.errors import ErrorCode, TrunklineError
from contracts.examples.practice import CALL
from contracts.identities import CallRef, uuid7
from contracts.messages import (
    Assigned,
    CallEnded,
    CallReassigned,
    DtmfReceived,
    EndReason,
    Event,
    Heartbeat,
    PlayoutStarted,
    Release,
    Replaced,
    Role,
    SpeechDismissed,
)
from contracts.telemetry import HANDLER_ERRORS, STALE_EPOCH
from contracts.wire import channel_of, decode_event
from runtime.bus import Bus
from runtime.history import Record, read_end
from runtime.settings import ProcessSettings
from runtime.worker import RecentIds
from tests.support.context import service_context
from tests.support.holding import Crew, Keeper, an_assignment, crew
from tests.support.records import whole_record_of
from tests.support.waiting import eventually
from trunkline.nats_server import NatsServer

ENDED = CallEnded(reason=EndReason.CALLER_HUNG_UP, started_us=0, ended_us=0, duration_ms=0)


@dataclass
class Session:
    """The other side: assigns, releases and says what happened in the call."""

    bus: Bus

    async def assign(
        self, ref: CallRef = CALL, epoch: int = 1, timeout_s: float = 5, **more: Any
    ) -> Assigned:
        assign = an_assignment(ref, epoch).model_copy(update=more)
        return await self.bus.request(
            ASSIGN, assign, Assigned, timeout_s=timeout_s, role="llm", process="llm-1"
        )

    async def release(self, ref: CallRef = CALL, epoch: int = 1) -> None:
        subject = RELEASE.subject(role="llm", process="llm-1")
        await self.bus.publish(subject, Release(call=ref.call, tenant=ref.tenant, epoch=epoch))

    async def say(self, body: Any, ref: CallRef = CALL, epoch: int = 0) -> Event[Any]:
        return await self.bus.publish_event(ref, body, epoch=epoch)

    async def reassign(self, epoch: int, process: str = "llm-1", role: Role = Role.LLM) -> Event[Any]:
        """Say who speaks for a role from here on."""
        body = CallReassigned(role=role, process=process, epoch=epoch, before="llm-0", why=Replaced.LOST)
        return await self.say(body)


@asynccontextmanager
async def both(nats_url: str, keeper: Keeper | None = None) -> AsyncIterator[tuple[Session, Crew]]:
    async with (
        crew(nats_url, keeper=keeper) as worker,
        service_context(ProcessSettings(nats_url=nats_url), "session") as context,
    ):
        yield Session(context.bus), worker


async def subscriptions(server: NatsServer) -> list[str]:
    """Every subject that somebody listens to, as the server knows."""

    def ask() -> list[str]:
        url = f"http://127.0.0.1:{server.monitor_port}/connz?subs=1"
        with urllib.request.urlopen(url, timeout=5) as answer:
            connections = json.load(answer)["connections"]
        return [subject for each in connections for subject in each.get("subscriptions_list", [])]

    return await asyncio.to_thread(ask)


async def listens(server: NatsServer, ref: CallRef = CALL) -> bool:
    return any(ref.call in subject for subject in await subscriptions(server))


async def test_a_call_is_taken_its_events_heard_and_its_end_drops_it(nats_server: NatsServer) -> None:
    async with both(nats_server.url) as (session, crew):
        assert (await session.assign()).error is None
        assert (len(crew.worker), crew.worker.epoch_of(CALL)) == (1, 1)
        await session.say(DtmfReceived(digit_pii="5"))
        await session.say(PlayoutStarted(reply=1, first_frame_us=1))  # not an llm's business
        await session.say(ENDED)
        await eventually(lambda: "dropped" in crew.keeper.story, "it is dropped")
        assert crew.keeper.story == [
            "take 1",
            "took 1",
            "hear DtmfReceived",
            "heard DtmfReceived",
            "hear CallEnded",
            "heard CallEnded",
            "drop",
            "dropped",
        ]
        assert (len(crew.worker), crew.worker.epoch_of(CALL), crew.keeper.held) == (0, 0, set())
        await crew.context.bus.flush()
        assert not await listens(nats_server)


async def test_an_assignment_may_be_repeated_and_be_renewed_in_a_newer_epoch(nats_server: NatsServer) -> None:
    async with both(nats_server.url) as (session, crew):
        for epoch in (1, 1, 2):
            assert (await session.assign(epoch=epoch)).error is None
        assert (len(crew.worker), crew.worker.epoch_of(CALL)) == (1, 2)
        await session.say(DtmfReceived(digit_pii="5"))
        await eventually(lambda: "heard DtmfReceived" in crew.keeper.story, "it is heard")
        await session.release(epoch=2)
        await eventually(lambda: not crew.keeper.held, "it is released")
        assert crew.keeper.story.count("hear DtmfReceived") == 1, "one subscription for all three"
        assert not await listens(nats_server)


async def test_an_older_epoch_is_not_taken_up(nats_url: str) -> None:
    async with both(nats_url) as (session, crew):
        await session.assign(epoch=3)
        await session.assign(epoch=2)
        await session.release(epoch=2)
        await session.say(DtmfReceived(digit_pii="5"))
        await eventually(lambda: "heard DtmfReceived" in crew.keeper.story, "the call is still held")
        assert crew.worker.epoch_of(CALL) == 3
        assert "take 2" not in crew.keeper.story
        assert crew.context.metrics.counter(STALE_EPOCH).total() == 1


async def test_what_a_replaced_process_says_is_ignored_and_counted(nats_url: str) -> None:
    async with both(nats_url) as (session, crew):
        await session.assign(epoch=2, since={Role.STT: 2})
        await session.say(SpeechDismissed(turn=1, audio_ms=0), epoch=1)
        await session.say(DtmfReceived(digit_pii="1"), epoch=2)
        await session.say(DtmfReceived(digit_pii="2"), epoch=3)
        await session.say(DtmfReceived(digit_pii="3"), epoch=0)
        await eventually(lambda: crew.keeper.story.count("heard DtmfReceived") == 3, "the others are heard")
        assert "hear SpeechDismissed" not in crew.keeper.story
        assert crew.context.metrics.counter(STALE_EPOCH).total() == 1


async def test_an_event_that_is_sent_again_is_heard_once(nats_url: str) -> None:
    async with both(nats_url) as (session, crew):
        await session.assign()
        event = await session.say(DtmfReceived(digit_pii="5"))
        subject = DTMF_RECEIVED.subject(tenant=CALL.tenant, call=CALL.call)
        for _ in range(3):
            await session.bus.client.publish(subject, event.model_dump_json().encode())
        await session.say(SpeechDismissed(turn=1, audio_ms=0))
        await eventually(lambda: "heard SpeechDismissed" in crew.keeper.story, "what comes after is heard")
        assert crew.keeper.story.count("hear DtmfReceived") == 1


async def test_an_event_whose_handling_failed_is_heard_when_it_is_sent_again(nats_url: str) -> None:
    async with both(nats_url, Keeper(fault=ZeroDivisionError())) as (session, crew):
        await session.assign()
        event = await session.say(DtmfReceived(digit_pii="5"))
        subject = DTMF_RECEIVED.subject(tenant=CALL.tenant, call=CALL.call)
        await eventually(lambda: crew.context.metrics.counter(HANDLER_ERRORS).total() == 1, "it failed")
        await session.bus.client.publish(subject, event.model_dump_json().encode())
        await eventually(lambda: "heard DtmfReceived" in crew.keeper.story, "it is heard the second time")


async def test_a_refusal_is_answered_and_leaves_nothing_behind(nats_server: NatsServer) -> None:
    refusal = TrunklineError("engine 'x' is not known", mend="use one of: synthetic")
    async with both(nats_server.url, Keeper(refusal)) as (session, crew):
        for _ in range(2):
            reply = await session.assign()
            assert reply.error is not None
            assert (reply.error.message, reply.error.retryable) == ("engine 'x' is not known", False)
        assert (len(crew.worker), crew.worker.epoch_of(CALL)) == (0, 0)
        assert crew.keeper.story == ["take 1", "drop", "dropped"] * 2
        await crew.context.bus.flush()
        assert not await listens(nats_server)
        crew.keeper.refusal = None
        assert (await session.assign()).error is None, "it can be taken once it is not refused any more"


async def test_a_refusal_of_a_newer_epoch_drops_the_call_altogether(nats_server: NatsServer) -> None:
    async with both(nats_server.url) as (session, crew):
        await session.assign()
        crew.keeper.refusal = TrunklineError("no room")
        assert (await session.assign(epoch=2)).error is not None
        assert not crew.keeper.held
        await crew.context.bus.flush()
        assert not await listens(nats_server)


async def test_a_release_that_comes_while_the_call_is_taken_waits_for_it(nats_server: NatsServer) -> None:
    async with both(nats_server.url) as (session, crew):
        crew.keeper.gate.clear()
        assigning = asyncio.create_task(session.assign())
        await eventually(lambda: "take 1" in crew.keeper.story, "it is being taken")
        await session.release()
        await session.bus.flush()
        await session.say(DtmfReceived(digit_pii="5"))
        crew.keeper.gate.set()
        await assigning
        await eventually(lambda: "dropped" in crew.keeper.story, "it is dropped")
        story = [step for step in crew.keeper.story if "Dtmf" not in step]
        assert story == ["take 1", "took 1", "drop", "dropped"]
        assert (len(crew.worker), crew.keeper.held) == (0, set())
        assert not await listens(nats_server)


async def test_an_assignment_that_comes_after_its_own_release_is_refused(nats_url: str) -> None:
    """The session lost patience, and what it sent overtook what it had sent before."""
    async with both(nats_url) as (session, crew):
        await session.release(epoch=2)
        await session.bus.flush()
        for epoch in (1, 2):
            reply = await session.assign(epoch=epoch)
            assert reply.error is not None
            assert reply.error.code is ErrorCode.OUT_OF_ORDER
        assert crew.keeper.story == []
        assert (await session.assign(epoch=3)).error is None


async def test_one_slow_call_keeps_no_other_waiting(nats_url: str) -> None:
    other = CallRef("bright-smile", uuid7(1, random.Random(4)))
    async with both(nats_url) as (session, crew):
        crew.keeper.gate.clear()
        slow = asyncio.create_task(session.assign())
        await eventually(lambda: "take 1" in crew.keeper.story, "the first is being taken")
        second = asyncio.create_task(session.assign(other))
        await eventually(lambda: crew.keeper.story.count("take 1") == 2, "so is the second, beside it")
        crew.keeper.gate.set()
        assert (await slow).error is (await second).error is None


async def test_whatever_comes_at_once_ends_with_all_or_nothing(nats_server: NatsServer) -> None:
    """Assignments and releases of one call, at random; then holder, worker and server agree."""
    rng = random.Random(11)
    async with both(nats_server.url) as (session, crew):
        epochs = itertools.count(1)
        for _ in range(30):
            steps: list[Any] = []
            for _ in range(rng.randint(2, 5)):
                epoch = next(epochs)
                steps += [session.assign(epoch=epoch), session.say(DtmfReceived(digit_pii="5"))]
                steps += [session.release(epoch=epoch - rng.randint(0, 2))] if epoch > 2 else []
            rng.shuffle(steps)
            await asyncio.gather(*steps)
        assert set(crew.keeper.held) == set(crew.worker._held)
        final = next(epochs)
        await session.assign(epoch=final)
        await session.release(epoch=final)
        await eventually(lambda: not crew.keeper.held and not len(crew.worker), "it is let go of")
        await crew.context.bus.flush()
        assert not await listens(nats_server)
        _check_order(crew.keeper.story)


def _check_order(story: list[str]) -> None:
    """No two steps of the call overlap: each beginning is followed by its own end, or by a failure's drop."""
    ends = {"take": "took", "hear": "heard", "drop": "dropped"}
    for begun, ended in zip(story[::2], story[1::2], strict=True):
        assert ended.split()[0] == ends[begun.split()[0]]


async def test_a_draining_worker_keeps_its_calls_and_refuses_new_ones_so_that_another_is_asked(
    nats_url: str,
) -> None:
    other = CallRef("bright-smile", uuid7(1, random.Random(4)))
    beats: list[Heartbeat] = []

    async def hear(beat: Heartbeat) -> None:
        beats.append(beat)

    async with both(nats_url) as (session, crew):
        await session.bus.on_messages(HEARTBEAT.wildcard(), Heartbeat, hear)
        await session.bus.flush()
        await session.assign()
        draining = asyncio.create_task(crew.worker.drain())
        await eventually(lambda: beats and beats[-1].draining, "it says that it drains")
        reply = await session.assign(other)
        assert reply.error is not None
        assert (reply.error.code, reply.error.retryable) == (ErrorCode.NO_WORKER, True)
        assert (await session.assign(epoch=2)).error is None, "what it holds it goes on with"
        assert not draining.done()
        await session.say(ENDED)
        await asyncio.wait_for(draining, 20)


async def test_stop_drops_every_call_even_if_one_cannot_be_dropped(nats_url: str) -> None:
    class Broken(Keeper):
        async def drop(self, ref: CallRef) -> None:
            await super().drop(ref)
            if ref == CALL:
                raise ZeroDivisionError

    other = CallRef("bright-smile", uuid7(1, random.Random(4)))
    async with both(nats_url, Broken()) as (session, crew):
        await session.assign()
        await session.assign(other)
        await crew.worker.stop()
        assert (len(crew.worker), crew.keeper.held) == (0, set())
        assert (await session.assign(epoch=9)).error is not None


async def test_a_heartbeat_says_how_loaded_it_is(nats_url: str) -> None:
    beats: list[Heartbeat] = []

    async def hear(beat: Heartbeat) -> None:
        beats.append(beat)

    async with both(nats_url) as (session, _):
        await session.assign()
        await session.bus.on_messages(HEARTBEAT.wildcard(), Heartbeat, hear)
        await eventually(lambda: len(beats) >= 2, "it beats")
        beat = beats[-1]
        assert (beat.process, beat.calls, beat.capacity, beat.draining) == ("llm-1", 1, 10, False)


async def test_what_ended_while_nats_was_away_is_dropped_when_it_is_back(nats_server: NatsServer) -> None:
    async with both(nats_server.url) as (session, crew):
        await session.assign()
        await session.say(ENDED)
        await eventually(lambda: not crew.keeper.held, "the end is heard the ordinary way")
        assert await session.bus.settle(5)
        await session.assign(epoch=2)  # as if the end had been missed: the record has it
        assert crew.keeper.held
        nats_server.stop()
        await eventually(lambda: not crew.context.bus.connected, "it notices")
        nats_server.start()
        await eventually(lambda: not crew.keeper.held, "it looks into the record")


async def test_a_replacement_is_told_all_that_was_said_and_what_follows_once(nats_url: str) -> None:
    async with both(nats_url) as (session, crew):
        first = await session.say(DtmfReceived(digit_pii="1"))
        old = await session.say(SpeechDismissed(turn=1, audio_ms=0), epoch=1)
        await session.say(PlayoutStarted(reply=1, first_frame_us=1), epoch=1)  # not an llm's business
        stt_moved = await session.reassign(2, "stt-2", Role.STT)
        await session.say(SpeechDismissed(turn=2, audio_ms=0), epoch=1)  # from behind the border
        new = await session.say(SpeechDismissed(turn=2, audio_ms=0), epoch=2)
        moved = await session.reassign(3)
        assert await session.bus.settle(5)
        assigned = await session.assign(epoch=3, resumed=True, since={Role.STT: 2, Role.LLM: 3})
        assert assigned.error is None
        assert crew.keeper.histories == [(first, old, stt_moved, new, moved)]
        for event in (first, new):
            subject = channel_of(event.body).subject(tenant=CALL.tenant, call=CALL.call)
            await session.bus.client.publish(subject, event.model_dump_json().encode())
        await session.say(SpeechDismissed(turn=3, audio_ms=0), epoch=1)
        live = await session.say(DtmfReceived(digit_pii="2"))
        await eventually(lambda: crew.keeper.heard, "what follows")
        assert crew.keeper.heard == [live]


async def test_nothing_falls_between_what_is_read_and_what_is_heard(nats_url: str) -> None:
    """Somebody speaks all the while: every word is in the history or heard live, in order and once."""
    async with both(nats_url) as (session, crew):
        said: list[Event[Any]] = []

        async def speak() -> None:
            while len(crew.keeper.heard) < 50:
                said.append(await session.say(DtmfReceived(digit_pii=str(len(said) % 10))))
                await asyncio.sleep(0)

        speaking = asyncio.create_task(speak())
        await eventually(lambda: len(said) > 50, "somebody speaks")
        said.append(await session.reassign(2))
        assert (await session.assign(epoch=2, resumed=True)).error is None
        await speaking

        def told() -> list[Event[Any]]:
            return [*crew.keeper.histories[0], *crew.keeper.heard]

        await eventually(lambda: len(told()) == len(said), "all of it")
        assert sorted(event.id for event in told()) == sorted(event.id for event in said)


async def test_what_the_stream_stored_only_after_it_was_read_is_heard_a_little_later(
    nats_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was said before anybody listened here, and the stream was slower than the question."""
    async with both(nats_url) as (session, crew):
        await session.reassign(2)
        slow = await session.say(DtmfReceived(digit_pii="5"))
        assert await session.bus.settle(5)

        async def before_it_was_stored(bus: Bus, ref: CallRef, *_: Any) -> tuple[Record, int]:
            monkeypatch.setattr(runtime.worker, "read_end", read_end)
            return (await whole_record_of(bus, ref))[:1], 2

        monkeypatch.setattr(runtime.worker, "read_end", before_it_was_stored)
        await session.assign(epoch=2, resumed=True)
        assert [len(history) for history in crew.keeper.histories] == [1]
        await eventually(lambda: crew.keeper.heard == [slow], "it is heard")


async def test_a_replacement_waits_for_its_own_border_in_the_record(nats_url: str) -> None:
    async with both(nats_url) as (session, crew):
        assigning = asyncio.create_task(session.assign(epoch=2, resumed=True))
        await eventually(lambda: len(crew.worker), "it is being taken")
        moved = await session.reassign(2)
        assert (await assigning).error is None
        assert crew.keeper.histories == [(moved,)]


async def test_without_its_border_in_the_record_a_call_is_not_taken_up(
    nats_server: NatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was said before the border may not be stored yet either, and would be said twice."""
    monkeypatch.setattr(runtime.worker, "_BORDER_TRIES", 2)
    async with both(nats_server.url) as (session, crew):
        assigned = await session.assign(epoch=2, resumed=True)
        assert assigned.error is not None
        assert (assigned.error.code, assigned.error.retryable) == (ErrorCode.STORE_UNAVAILABLE, True)
        assert (len(crew.worker), crew.keeper.held, crew.keeper.histories) == (0, set(), [])
        await session.reassign(3)
        assert (await session.assign(epoch=3, resumed=True)).error is None


async def test_a_call_that_comes_back_before_its_loss_was_heard_is_begun_anew(nats_url: str) -> None:
    """A process that stood still finds all of it at once: the assignment may be read before the events."""
    async with both(nats_url) as (session, crew):
        await session.assign()
        first = await session.say(DtmfReceived(digit_pii="1"))
        await eventually(lambda: crew.keeper.heard == [first], "it is heard")
        crew.keeper.gate.clear()
        second = await session.say(DtmfReceived(digit_pii="2"))
        await eventually(lambda: len(crew.keeper.heard) == 2, "the second is being heard")
        elsewhere = await session.reassign(2, "llm-2")
        third = await session.say(DtmfReceived(digit_pii="3"))
        back = await session.reassign(3)
        assert await session.bus.settle(5)
        assigning = asyncio.create_task(session.assign(epoch=3, resumed=True, since={Role.LLM: 3}))
        await eventually(lambda: crew.worker._held[CALL].lock._waiters, "the assignment waits its turn")
        crew.keeper.gate.set()
        assert (await assigning).error is None
        assert crew.keeper.histories == [(), (first, second, elsewhere, third, back)]
        assert crew.keeper.story[-4:] == ["drop", "dropped", "take 3", "took 3"]
        fourth = await session.say(DtmfReceived(digit_pii="4"))
        await eventually(lambda: crew.keeper.heard[-1] == fourth, "what follows")
        assert crew.keeper.heard == [first, second, fourth], "what is in the history is not heard again"
        assert (crew.worker.epoch_of(CALL), crew.keeper.held) == (3, {CALL})


async def test_the_same_assignment_again_brings_no_history(nats_url: str) -> None:
    async with both(nats_url) as (session, crew):
        await session.reassign(2)
        for _ in range(2):
            assert (await session.assign(epoch=2, resumed=True)).error is None
        assert [len(history) for history in crew.keeper.histories] == [1, 0]
        assert (await session.assign(epoch=3)).error is None
        assert crew.keeper.histories[2] == ()


@pytest.mark.parametrize("process", ["llm-2", "llm-1"], ids=["another process", "another life of this one"])
async def test_a_call_that_was_given_to_another_is_let_go_of(nats_server: NatsServer, process: str) -> None:
    async with both(nats_server.url) as (session, crew):
        await session.assign(epoch=2)
        await session.reassign(3, "stt-9", Role.STT)
        await session.reassign(2, "llm-9")  # that was before we came
        await session.say(DtmfReceived(digit_pii="1"))
        await eventually(lambda: "heard DtmfReceived" in crew.keeper.story, "it is still held")
        await session.reassign(4, process)
        await eventually(lambda: not crew.keeper.held, "it is let go of")
        assert (await session.assign(epoch=3)).error is not None, "what comes late is not taken up"
        await crew.context.bus.flush()
        assert not await listens(nats_server)
        assert (await session.assign(epoch=4, resumed=True)).error is None


@pytest.mark.parametrize("over", [ENDED, CallReassigned(
    role=Role.LLM, process="llm-2", epoch=3, before="llm-1", why=Replaced.LOST
)], ids=["ended", "given to another"])  # fmt: skip
async def test_a_call_that_went_on_without_us_is_refused(nats_server: NatsServer, over: Any) -> None:
    async with both(nats_server.url) as (session, crew):
        await session.reassign(2)
        await session.say(over)
        assert await session.bus.settle(5)
        reply = await session.assign(epoch=2, resumed=True)
        assert reply.error is not None
        assert reply.error.code is ErrorCode.OUT_OF_ORDER
        assert (len(crew.worker), crew.keeper.held) == (0, set())


async def test_what_was_missed_is_heard_afterwards_in_order_and_once(nats_url: str) -> None:
    async with both(nats_url) as (session, crew):
        await session.assign()
        heard = await session.say(DtmfReceived(digit_pii="1"))
        await eventually(lambda: crew.keeper.heard, "the first is heard")
        await _deafen(crew)
        await session.say(PlayoutStarted(reply=1, first_frame_us=1))  # not an llm's business
        missed = [await session.say(SpeechDismissed(turn=turn, audio_ms=0), epoch=1) for turn in (1, 2)]
        moved = await session.reassign(2, "stt-2", Role.STT)
        await session.say(SpeechDismissed(turn=3, audio_ms=0), epoch=1)  # from behind the border
        assert await session.bus.settle(5)
        for _ in range(2):
            await crew.worker._catch_up()
        assert crew.keeper.heard == [heard, *missed, moved]


@pytest.mark.parametrize("known", [False, True], ids=["never read", "read before"])
async def test_what_was_missed_of_a_long_call_is_read_without_all_that_was_heard(
    nats_url: str, monkeypatch: pytest.MonkeyPatch, known: bool
) -> None:
    monkeypatch.setattr(runtime.worker, "_REMEMBERED_EVENTS", 16)
    monkeypatch.setattr(runtime.history, "_FIRST_LOOK", 8)
    async with both(nats_url) as (session, crew):
        await session.reassign(2)
        await session.assign(epoch=2, resumed=known)
        for number in range(400):
            await session.say(DtmfReceived(digit_pii=str(number % 10)))
        await eventually(lambda: len(crew.keeper.heard) == 400, "they are heard")
        await _deafen(crew)
        stt_moved = await session.reassign(3, "stt-2", Role.STT)
        missed = [await session.say(DtmfReceived(digit_pii="5")) for _ in range(5)]
        await session.say(SpeechDismissed(turn=3, audio_ms=0), epoch=2)  # from behind the border
        assert await session.bus.settle(5)
        decoded: list[str] = []

        def decode(subject: str, data: bytes) -> Event[Any]:
            decoded.append(subject)
            return decode_event(subject, data)

        monkeypatch.setattr(runtime.history, "decode_event", decode)
        await crew.worker._catch_up()
        assert crew.keeper.heard[400:] == [stt_moved, *missed]
        assert 32 <= len(decoded) <= 4 * 40


async def test_a_worker_that_stood_still_finds_out_that_it_was_replaced(
    nats_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with both(nats_url) as (session, crew):
        await session.assign()
        await _deafen(crew)
        await session.reassign(2, "llm-2")
        assert await session.bus.settle(5)
        time.sleep(0.5)  # noqa: ASYNC251 - the whole process stands still
        await eventually(lambda: not crew.keeper.held, "it lets go")
    assert "stood still" in caplog.text


async def _deafen(crew: Crew) -> None:
    """As if NATS dropped what it sends: no event of the call comes in any more."""
    subscription = crew.worker._held[CALL].subscription
    assert subscription is not None
    await subscription.unsubscribe()
    await crew.context.bus.flush()


async def test_a_life_of_a_process_has_one_beginning_and_tells_its_room(nats_url: str) -> None:
    beats: list[Heartbeat] = []

    async def hear(beat: Heartbeat) -> None:
        beats.append(beat)

    rooms = iter(range(1, 1_000))
    async with (
        crew(nats_url, room=lambda: next(rooms)) as one,
        service_context(ProcessSettings(nats_url=nats_url), "session") as context,
    ):
        await context.bus.on_messages(HEARTBEAT.wildcard(), Heartbeat, hear)
        await eventually(lambda: len(beats) >= 3, "it beats")
        assert 0 < beats[0].started_us <= one.context.clock.now_us()
    assert len({beat.started_us for beat in beats}) == 1
    given = [beat.room for beat in beats if beat.room is not None]
    assert len(set(given)) == len(beats)


async def test_a_draining_worker_is_gone_once_its_calls_are_anothers(nats_url: str) -> None:
    beats: list[Heartbeat] = []

    async def hear(beat: Heartbeat) -> None:
        beats.append(beat)

    async with both(nats_url) as (session, crew):
        await session.bus.on_messages(HEARTBEAT.wildcard(), Heartbeat, hear)
        await session.assign()
        draining = asyncio.create_task(crew.worker.drain())
        await eventually(lambda: len([beat for beat in beats if beat.draining]) >= 3, "it beats on")
        await session.reassign(2, "llm-2")
        await asyncio.wait_for(draining, 20)


async def test_it_lives_on_while_nats_is_away(nats_server: NatsServer) -> None:
    async with both(nats_server.url) as (session, crew):
        await session.assign()
        nats_server.stop()
        await eventually(lambda: not crew.context.bus.connected, "it notices")
        draining = asyncio.create_task(crew.worker.drain())
        await asyncio.sleep(0)
        assert not draining.done()
        nats_server.start()
        await eventually(lambda: crew.context.bus.connected and session.bus.connected, "both are back")
        await session.bus.until_done(lambda: _release_and_ask(session))
        await asyncio.wait_for(draining, 20)


async def _release_and_ask(session: Session) -> None:
    await session.bus.flush()
    await session.release()


@pytest.mark.parametrize("limit", [1, 3])
def test_recent_ids_are_new_once_and_forgotten_in_order(limit: int) -> None:
    recent = RecentIds(limit)
    for number in range(limit):
        assert recent.is_new(str(number))
        assert not recent.is_new(str(number))
    assert recent.is_new("one more")
    assert recent.is_new("0"), "the oldest made room"
    recent.forget("0")
    recent.forget("0")
    assert recent.is_new("0")


async def test_a_tenants_share_is_known_while_a_call_of_it_is_held(nats_url: str) -> None:
    async with both(nats_url) as (session, crew):
        refused = TrunklineError("no", mend="ask another")
        crew.keeper.refusal = refused
        assert (await session.assign(share=9)).error is not None
        assert len(crew.shares) == 0, "a call that was refused says nothing"
        crew.keeper.refusal = None
        assert (await session.assign(epoch=2, share=3)).error is None
        assert crew.shares(CALL.tenant) == 3.0
        await session.release(epoch=2)
        await eventually(lambda: len(crew.shares) == 0, "forgotten with its last call")
