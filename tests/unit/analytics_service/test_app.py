"""The service in the test's process, on a real nats-server and a real chDB."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from analytics_service.app import AnalyticsApp, build
from analytics_service.errors import BadStoreUrl
from analytics_service.settings import Settings
from analytics_service.stores import QueryLimits, store_opener
from contracts.errors import ErrorCode
from contracts.streams import CALLS
from contracts.telemetry import MESSAGES_REJECTED, ROWS_WRITTEN
from runtime.process import Context
from tests.support.context import service_context
from tests.support.waiting import eventually
from tests.unit.analytics_service.asking import (
    publish,
    reply_to,
    rows_of,
    until_acknowledged,
    until_rows,
)
from tests.unit.analytics_service.stories import EVENTS_TOLD, call_ref, whole_call


@dataclass
class Running:
    context: Context
    app: AnalyticsApp


@pytest.fixture
def settings(nats_url: str, tmp_path: Path) -> Settings:
    return Settings(nats_url=nats_url, home=tmp_path, analytics_batch_s=0.1, analytics_batch_events=100)


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[Running]:
    async with service_context(settings, "analytics") as context:
        app = build(settings, context)
        try:
            await app.start()
            await context.rpc.start()
            yield Running(context, app)
        finally:
            await context.rpc.stop()
            await app.stop()


@pytest.fixture
async def service(settings: Settings) -> AsyncIterator[Running]:
    async with running(settings) as service:
        yield service


async def test_a_call_that_is_told_twice_and_out_of_order_is_recorded_once(service: Running) -> None:
    bus = service.context.bus
    story = whole_call()
    told = story.told * 2
    random.Random(5).shuffle(told)
    await publish(bus, told, with_id=False)
    assert (await bus.jetstream.stream_info(CALLS.name)).state.messages == 2 * EVENTS_TOLD
    await until_rows(bus, "SELECT count() AS n FROM events", [{"n": EVENTS_TOLD}])
    await until_rows(
        bus,
        "SELECT outcome, turns, replies, interruptions FROM calls",
        [{"outcome": "completed", "turns": 2, "replies": 3, "interruptions": 1}],
    )
    turns = await rows_of(
        bus, "SELECT turn, voice_to_voice_ms, unexplained_ms, speech_ended_at FROM turns ORDER BY turn"
    )
    assert [(row["voice_to_voice_ms"], row["unexplained_ms"]) for row in turns] == [(513, 31), (512, 30)]
    assert all(row["speech_ended_at"].endswith("Z") for row in turns)


async def test_after_a_drain_all_that_was_taken_is_stored_and_acknowledged(service: Running) -> None:
    bus = service.context.bus
    await publish(bus, [one for number in range(20) for one in whole_call(call_ref(number)).told])
    await until_rows(bus, "SELECT count() > 0 AS begun FROM events", [{"begun": 1}])
    await service.app.drain()
    [stored] = await rows_of(bus, "SELECT count() AS n FROM events")
    left = await until_acknowledged(bus)
    assert stored["n"] == 20 * EVENTS_TOLD - left
    assert service.context.metrics.counter(ROWS_WRITTEN).counts["event_log",] == stored["n"]


async def test_poison_is_kept_and_counted_and_blocks_nothing(service: Running) -> None:
    bus = service.context.bus
    story = whole_call()
    subject, data = story.told[0].subject, story.told[0].data
    completed = next(one for one in whole_call(call_ref(1)).told if one.channel.name == "reply.completed")
    prefix = subject.removesuffix("call.started")
    poison = [
        (subject, b"{"),
        (subject, b"\x00\xff"),
        (subject, data.replace(b'"v":1', b'"v":2')),
        (f"{prefix}never.heard.of", b"{}"),
        (completed.subject, completed.data.replace(b'"sentences":1', b'"sentences":99999999999')),
    ]
    for where, junk in poison:
        await bus.jetstream.publish(where, junk)
    await publish(bus, story.told)
    await until_rows(bus, "SELECT count() AS n FROM rejected_events", [{"n": 5}])
    of_the_call = f"SELECT count() AS n FROM events WHERE call = '{story.ref.call}'"
    await until_rows(bus, of_the_call, [{"n": EVENTS_TOLD}])
    rejected = await rows_of(
        bus, "SELECT sequence, code, error, data_pii FROM rejected_events ORDER BY sequence"
    )
    assert [row["sequence"] for row in rejected] == [1, 2, 3, 4, 5]
    assert [row["code"] for row in rejected] == [
        "bad_message",
        "bad_message",
        "unknown_version",
        "bad_subject",
        "bad_message",
    ]
    assert "call.started version 2; this build reads 1" in rejected[2]["error"]
    assert rejected[0]["data_pii"] == "{"
    counts = service.context.metrics.counter(MESSAGES_REJECTED).counts
    assert (counts["record", "bad_message"], counts["record", "unknown_version"]) == (3, 1)
    assert await until_acknowledged(bus) == 0


async def test_a_consumer_that_was_deleted_is_made_again_and_nothing_counts_twice(service: Running) -> None:
    bus = service.context.bus
    await publish(bus, whole_call(call_ref(1)).told)
    await until_rows(bus, "SELECT count() AS n FROM events", [{"n": EVENTS_TOLD}])
    await bus.jetstream.delete_consumer(CALLS.name, "analytics")
    await publish(bus, whole_call(call_ref(2)).told)
    await until_rows(bus, "SELECT count() AS n FROM events", [{"n": 2 * EVENTS_TOLD}])
    await until_rows(
        bus, "SELECT count() AS calls, sum(turns) AS turns FROM calls", [{"calls": 2, "turns": 4}]
    )


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        ("DROP TABLE event_log", "DROP may not be asked"),
        ("SELECT 1; SELECT 2", "more than one statement"),
        ("SELECT nothing FROM calls", "nothing"),
        ("SELECT 1 INTO OUTFILE 'x'", "INTO"),
        ("SELECT randomPrintableASCII(2000000)", "one row is larger"),
    ],
)
async def test_a_bad_question_is_answered_with_why(service: Running, sql: str, words: str) -> None:
    reply = await reply_to(service.context.bus, sql)
    assert reply.error is not None
    assert reply.error.code is ErrorCode.BAD_QUERY
    assert words in reply.error.message
    assert reply.error.mend
    assert reply.rows == ()


async def test_an_answer_is_cut_to_what_was_asked_for_and_to_what_a_message_carries(service: Running) -> None:
    bus = service.context.bus
    few = await reply_to(bus, "SELECT number FROM numbers(10)", max_rows=3)
    assert (few.columns, few.rows, few.truncated) == (("number",), ((0,), (1,), (2,)), True)
    wide = await reply_to(bus, "SELECT repeat('x', 1000) FROM numbers(5000)", max_rows=100_000)
    assert wide.truncated
    assert 900 < len(wide.rows) < 1_100


async def test_events_wait_in_the_stream_while_the_store_cannot_be_opened(
    settings: Settings, tmp_path: Path
) -> None:
    in_the_way = tmp_path / "analytics"
    in_the_way.write_text("not a folder")
    async with running(settings) as service:
        bus = service.context.bus
        await publish(bus, whole_call().told)
        assert service.context.health.missing() == ["store"]
        refused = await reply_to(bus, "SELECT 1")
        assert refused.error is not None
        assert (refused.error.code, refused.error.retryable) == (ErrorCode.STORE_UNAVAILABLE, True)
        in_the_way.unlink()
        await until_rows(bus, "SELECT count() AS n FROM events", [{"n": EVENTS_TOLD}])
        await eventually(lambda: service.context.health.missing() == [], "ready")


async def test_a_url_of_no_store_stops_the_start(settings: Settings) -> None:
    async with service_context(settings, "analytics") as context:
        with pytest.raises(BadStoreUrl):
            build(settings.model_copy(update={"analytics_url": "sqlite:///x"}), context)


async def test_a_store_of_before_is_found_again(settings: Settings) -> None:
    for number in (1, 2):
        async with running(settings) as service:
            await publish(service.context.bus, whole_call(call_ref(number)).told)
            await until_rows(service.context.bus, "SELECT count() AS n FROM calls", [{"n": number}])
    assert store_opener(settings.store_url, QueryLimits(5, 2**28, 1))().query(
        "SELECT uniqExact(id) FROM events", 1
    ).rows == ((2 * EVENTS_TOLD,),)
