"""Streams and buckets on a real nats-server: what is written is found, and no change of it is missed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from contracts.channels import DTMF_RECEIVED
from contracts.examples.practice import ACTIVE_CALL, CALL
from contracts.messages import ActiveCall, DtmfReceived, LeaderTerm
from contracts.streams import CALLS, CALLS_BUCKET, TERM_KEY, BucketSpec
from runtime.bus import Bus
from runtime.errors import BusUnavailable, Conflict, MessageTooLarge
from runtime.settings import ProcessSettings
from runtime.storage import Bucket, Guard, ensure_stream, last_event
from tests.support.context import service_context
from tests.support.waiting import eventually
from trunkline.bus_users import BusUsers
from trunkline.nats_server import NatsServer

SUBJECT = DTMF_RECEIVED.subject(tenant=CALL.tenant, call=CALL.call)


@asynccontextmanager
async def a_bus(nats_url: str) -> AsyncIterator[Bus]:
    failures: list[BaseException] = []
    settings = ProcessSettings(nats_url=nats_url)
    async with service_context(settings, "probe", on_task_failure=failures.append) as context:
        yield context.bus
    assert not failures, failures


@asynccontextmanager
async def a_bucket(nats_url: str) -> AsyncIterator[Bucket[ActiveCall]]:
    async with a_bus(nats_url) as bus:
        yield await Bucket.open(bus, CALLS_BUCKET, ActiveCall)


@dataclass
class Mirror:
    """What somebody who watches a bucket has of it."""

    values: dict[str, ActiveCall] = field(default_factory=dict)
    told: list[str] = field(default_factory=list)
    caught_up: int = 0

    async def changed(self, key: str, value: ActiveCall | None) -> None:
        self.told.append(f"{key} {value.epoch}" if value else f"{key} gone")
        if value is None:
            self.values.pop(key, None)
        else:
            self.values[key] = value

    def complete(self) -> None:
        self.caught_up += 1


@asynccontextmanager
async def watching(bucket: Bucket[ActiveCall]) -> AsyncIterator[Mirror]:
    mirror = Mirror()
    watch = asyncio.create_task(bucket.watch(mirror.changed, mirror.complete))
    try:
        await eventually(lambda: mirror.caught_up or watch.done(), "it catches up")
        yield mirror
        assert not watch.done()
    finally:
        watch.cancel()
        await asyncio.wait({watch})


def call_of(epoch: int) -> ActiveCall:
    return ACTIVE_CALL.model_copy(update={"epoch": epoch})


async def write_junk(bus: Bus, key: str) -> None:
    store = await bus.jetstream.key_value(CALLS_BUCKET.name)
    await store.put(key, b"{broken")


async def test_values_are_written_read_and_removed(nats_url: str) -> None:
    async with a_bucket(nats_url) as bucket:
        assert await bucket.all() == {}
        assert await bucket.get("a") is None
        await bucket.put("a", call_of(1))
        await bucket.put("a", call_of(2))
        await bucket.put("b", call_of(3))
        assert await bucket.get("a") == call_of(2)
        assert await bucket.all() == {"a": call_of(2), "b": call_of(3)}
        await bucket.delete("a")
        await bucket.delete("never-there")
        assert await bucket.get("a") is None
        assert await bucket.all() == {"b": call_of(3)}


async def test_what_is_removed_leaves_a_mark_that_goes_by_itself(nats_url: str) -> None:
    """A bucket of calls would otherwise grow by a mark for each call that there ever was."""
    async with a_bus(nats_url) as bus:
        bucket = await Bucket.open(bus, CALLS_BUCKET, ActiveCall)
        await bucket.put("a", call_of(1))
        await bucket.delete("a")
        mark = await bus.jetstream.get_last_msg(f"KV_{CALLS_BUCKET.name}", f"$KV.{CALLS_BUCKET.name}.a")
        assert mark.headers is not None
        assert mark.headers["Nats-TTL"]


async def test_a_bucket_is_there_already_also_with_another_history(nats_url: str) -> None:
    async with a_bus(nats_url) as bus:
        first = await Bucket.open(bus, CALLS_BUCKET, ActiveCall)
        await first.put("a", call_of(1))
        for history in (1, 3):
            again = await Bucket.open(bus, replace(CALLS_BUCKET, history=history), ActiveCall)
            assert await again.all() == {"a": call_of(1)}


async def test_a_bucket_forgets_what_has_its_age(nats_url: str) -> None:
    async with a_bus(nats_url) as bus:
        bucket = await Bucket.open(bus, BucketSpec("short", 1, 9_000, max_age_s=1), ActiveCall)
        await bucket.put("a", call_of(1))
        assert await bucket.get("a") == call_of(1)
        while await bucket.get("a") is not None:
            pass
        await bucket.replace("a", call_of(2), 0)


async def test_junk_is_left_out_and_named(nats_url: str, caplog: pytest.LogCaptureFixture) -> None:
    async with a_bus(nats_url) as bus:
        bucket = await Bucket.open(bus, CALLS_BUCKET, ActiveCall)
        await bucket.put("a", call_of(1))
        await write_junk(bus, "b")
        caplog.set_level(logging.ERROR, "runtime.storage")
        assert await bucket.all() == {"a": call_of(1)}
        assert "bucket calls, key b: ActiveCall: message: Invalid JSON" in caplog.text


async def test_a_value_beyond_the_limit_is_refused_with_its_size(nats_url: str) -> None:
    async with a_bus(nats_url) as bus:
        bucket = await Bucket.open(bus, BucketSpec("small", 1, max_value_bytes=100), ActiveCall)
        with pytest.raises(MessageTooLarge, match=r"a: \d+ bytes; bucket small takes 100"):
            await bucket.put("a", call_of(1))
        assert await bucket.all() == {}


async def test_a_watch_hands_over_what_is_there_then_every_change(nats_url: str) -> None:
    async with a_bucket(nats_url) as bucket:
        await bucket.put("a", call_of(1))
        async with watching(bucket) as mirror:
            assert (mirror.values, mirror.caught_up) == ({"a": call_of(1)}, 1)
            await bucket.put("a", call_of(2))
            await bucket.put("b", call_of(3))
            await bucket.delete("a")
            await eventually(lambda: mirror.told[-1:] == ["a gone"], "the last change")
            assert mirror.told == ["a 1", "a 2", "b 3", "a gone"]


async def test_a_watch_of_an_empty_bucket_catches_up_at_once(nats_url: str) -> None:
    async with a_bucket(nats_url) as bucket, watching(bucket) as mirror:
        assert mirror.told == []


async def test_a_watch_skips_junk_and_keeps_what_it_had(nats_url: str) -> None:
    async with a_bus(nats_url) as bus:
        bucket = await Bucket.open(bus, CALLS_BUCKET, ActiveCall)
        await bucket.put("a", call_of(1))
        async with watching(bucket) as mirror:
            await write_junk(bus, "a")
            await bucket.put("b", call_of(2))
            await eventually(lambda: "b" in mirror.values, "what comes after the junk")
            assert mirror.values == {"a": call_of(1), "b": call_of(2)}


async def test_a_watch_ends_with_the_fault_of_its_receiver(nats_url: str) -> None:
    async def changed(_: str, __: ActiveCall | None) -> None:
        raise ZeroDivisionError

    async with a_bucket(nats_url) as bucket:
        await bucket.put("a", call_of(1))
        with pytest.raises(ZeroDivisionError):
            await bucket.watch(changed, lambda: None)


async def test_a_watch_goes_on_after_a_restart_of_nats_and_notices_what_went_meanwhile(
    nats_server: NatsServer,
) -> None:
    async with a_bus(nats_server.url) as bus, a_bus(nats_server.url) as other:
        bucket = await Bucket.open(bus, CALLS_BUCKET, ActiveCall)
        for key in "ab":
            await bucket.put(key, call_of(1))
        async with watching(bucket) as mirror:
            nats_server.stop()
            await eventually(lambda: not bus.connected, "it notices")
            nats_server.start()
            await eventually(lambda: mirror.caught_up == 2, "it begins anew")
            assert mirror.values == {"a": call_of(1), "b": call_of(1)}
            store = await other.jetstream.key_value(CALLS_BUCKET.name)
            await store.put("a", call_of(2).model_dump_json().encode())
            await eventually(lambda: mirror.values["a"] == call_of(2), "a change is seen at once", 3)

            nats_server.stop()
            await eventually(lambda: not bus.connected and not other.connected, "both notice")
            await bucket_without(nats_server, "b")
            await eventually(lambda: mirror.caught_up == 3, "it begins anew")
            assert (mirror.values, mirror.told[-1]) == ({"a": call_of(2)}, "b gone")


async def bucket_without(server: NatsServer, key: str) -> None:
    """Start the server where nobody finds it, take every trace of a key away, and start it where it was."""
    hidden = NatsServer(server.folder)
    hidden.start()
    async with a_bus(hidden.url) as bus:
        purged = await bus.jetstream.purge_stream(
            f"KV_{CALLS_BUCKET.name}", subject=f"$KV.{CALLS_BUCKET.name}.{key}"
        )
        assert purged
    hidden.stop()
    server.start()


async def test_a_store_that_is_away_is_a_retryable_error(nats_server: NatsServer) -> None:
    async with a_bus(nats_server.url) as bus:
        bucket = await Bucket.open(bus, CALLS_BUCKET, ActiveCall)
        await bus.jetstream.delete_key_value(CALLS_BUCKET.name)
        for asking in (bucket.put("a", call_of(1)), bucket.delete("a"), bucket.all()):
            with pytest.raises(BusUnavailable, match="bucket calls") as caught:
                await asking
            assert caught.value.retryable


async def test_the_newest_event_is_found(nats_url: str) -> None:
    async with a_bus(nats_url) as bus:
        assert await last_event(bus.jetstream, CALLS, SUBJECT) is None
        await bus.publish_event(CALL, DtmfReceived(digit_pii="1"))
        sent = await bus.publish_event(CALL, DtmfReceived(digit_pii="2"))
        assert await bus.settle(5)
        assert await last_event(bus.jetstream, CALLS, SUBJECT) == sent


async def test_junk_in_the_stream_counts_as_nothing(nats_url: str, caplog: pytest.LogCaptureFixture) -> None:
    async with a_bus(nats_url) as bus:
        await bus.jetstream.publish(SUBJECT, b"{broken")
        assert await last_event(bus.jetstream, CALLS, SUBJECT) is None
        assert "stream CALLS" in caplog.text


async def test_a_stream_that_is_not_there_is_no_stream_without_events(nats_url: str) -> None:
    async with a_bus(nats_url) as bus:
        await bus.jetstream.delete_stream(CALLS.name)
        with pytest.raises(BusUnavailable, match=r"stream CALLS cannot be read: .*no responders"):
            await last_event(bus.jetstream, CALLS, SUBJECT)


async def test_a_stream_that_cannot_be_made_says_why(nats_url: str) -> None:
    async with a_bus(nats_url) as bus:
        with pytest.raises(BusUnavailable, match="stream SECOND cannot be made"):
            await ensure_stream(bus.jetstream, replace(CALLS, name="SECOND"))  # of subjects that are taken


async def test_who_may_not_change_the_stream_finds_it_changed_by_who_may(tmp_path: Path) -> None:
    users, newer = BusUsers(), replace(CALLS, max_message_bytes=4096)
    session, stt = users.of("session"), users.of("stt")
    with NatsServer(tmp_path / "nats", users=[session, stt]) as server:
        keeper = ProcessSettings(nats_url=server.url, nats_user=session.name, nats_password=session.password)
        other = ProcessSettings(nats_url=server.url, nats_user=stt.name, nats_password=stt.password)
        async with service_context(keeper, "session") as one, service_context(other, "stt") as two:
            hasty = two.bus.client.jetstream(timeout=0.3)
            with pytest.raises(BusUnavailable, match="stream CALLS cannot be made"):
                await ensure_stream(hasty, newer)
            waiting = asyncio.create_task(ensure_stream(hasty, newer))
            await ensure_stream(one.bus.jetstream, newer)
            await waiting


async def test_a_stream_is_brought_to_its_specification(nats_url: str) -> None:
    async with a_bus(nats_url) as bus:
        for max_message_bytes in (4096, 8192, 8192):
            await ensure_stream(bus.jetstream, replace(CALLS, max_message_bytes=max_message_bytes))
        info = await bus.jetstream.stream_info(CALLS.name)
        assert info.config.max_msg_size == 8192


class TestGuardedWrites:
    """A write can be made to depend on a revision, its own or that of a key that guards the others."""

    async def test_a_value_is_replaced_only_by_who_knows_its_revision(self, nats_url: str) -> None:
        async with a_bucket(nats_url) as bucket:
            assert await bucket.entry("a") == (None, 0)
            first = await bucket.replace("a", ACTIVE_CALL, 0)
            assert await bucket.entry("a") == (ACTIVE_CALL, first)
            with pytest.raises(
                Conflict, match="a cannot be written to bucket calls: another write came first"
            ):
                await bucket.replace("a", ACTIVE_CALL, 0)
            assert await bucket.replace("a", ACTIVE_CALL, first) > first

    async def test_nothing_is_written_removed_or_read_behind_a_guard_that_has_moved_on(
        self, nats_url: str
    ) -> None:
        async with a_bus(nats_url) as bus:
            bucket = await Bucket.open(bus, CALLS_BUCKET, ActiveCall)
            terms = await Bucket.open(bus, CALLS_BUCKET, LeaderTerm)
            old = Guard(TERM_KEY, await terms.replace(TERM_KEY, LeaderTerm(holder="one", term=1), 0))
            await bucket.put("a", ACTIVE_CALL, old)
            await bucket.put("b", ACTIVE_CALL, old)
            await bucket.delete("b", old)
            assert set(await bucket.all(old)) == {"a"}
            new_term = LeaderTerm(holder="two", term=2)
            new = Guard(TERM_KEY, await terms.replace(TERM_KEY, new_term, old.revision))
            for refused in (bucket.put("c", ACTIVE_CALL, old), bucket.delete("a", old), bucket.all(old)):
                with pytest.raises(Conflict):
                    await refused
            assert set(await bucket.all(new)) == {"a"}, "the term is no call"
            await bucket.delete("a", new)
            assert await bucket.all(new) == {}
