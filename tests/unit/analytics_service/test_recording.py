"""Retry and isolation. The store that is away is scripted; what a store refuses is chDB's own word."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from analytics_service.errors import RowsRefused, StoreUnavailable
from analytics_service.ports import ReportStore, Row
from analytics_service.projections import EVENT_LOG, REJECTED_LOG
from analytics_service.recording import Delivery, Notices, Recorder
from contracts.errors import ErrorCode, TrunklineError
from tests.support.clock import ManualClock
from tests.unit.analytics_service.store_suite import ask
from tests.unit.analytics_service.stories import CallStory, call_ref, whole_call


@dataclass
class Stand:
    """A recorder, what it was told to insert, and what it told others."""

    fail_times: int = 0
    clock: ManualClock = field(default_factory=ManualClock)
    inserted: list[tuple[str, int]] = field(default_factory=list)
    written: Counter[str] = field(default_factory=Counter)
    retries: int = 0
    rejected: list[TrunklineError] = field(default_factory=list)
    store: ReportStore | None = None

    def __post_init__(self) -> None:
        self.recorder = Recorder(
            self.insert,
            self.clock,
            random.Random(1),
            Notices(
                on_written=lambda table, rows: self.written.update({table: rows}),
                on_retry=self._count_retry,
                on_rejected=self.rejected.append,
            ),
        )

    def _count_retry(self) -> None:
        self.retries += 1

    async def insert(self, table: str, rows: Sequence[Row]) -> None:
        if self.fail_times > 0:
            self.fail_times -= 1
            raise StoreUnavailable("away")
        if self.store is not None:
            self.store.insert(table, rows)
        self.inserted.append((table, len(rows)))


def deliveries(story: CallStory) -> list[Delivery]:
    return [
        Delivery(one.subject, one.data, number, story.now_us)
        for number, one in enumerate(story.told, start=1)
    ]


async def test_a_batch_is_one_insert_a_table() -> None:
    stand = Stand()
    await stand.recorder.record(deliveries(whole_call()))
    tables = [table for table, _ in stand.inserted]
    assert len(tables) == len(set(tables)) == 4
    assert dict(stand.inserted) == stand.written
    assert stand.written[EVENT_LOG] == 27


async def test_a_store_that_is_away_is_tried_again_with_growing_waits() -> None:
    stand = Stand(fail_times=9)
    recording = asyncio.create_task(stand.recorder.record(deliveries(whole_call())))
    await stand.clock.advance(0.1)
    assert (stand.retries, stand.recorder.storing, stand.inserted) == (1, False, [])
    await stand.clock.advance(1.0)
    assert 3 <= stand.retries <= 5
    await stand.clock.advance(60.0)
    await recording
    assert (stand.retries, stand.recorder.storing) == (9, True)
    assert stand.written[EVENT_LOG] == 27


async def test_nobody_waits_for_a_store_once_the_process_ends() -> None:
    stand = Stand(fail_times=1_000)
    recording = asyncio.create_task(stand.recorder.record(deliveries(whole_call())))
    await stand.clock.advance(5.0)
    stand.recorder.wait_no_more()
    await stand.clock.advance(11.0)
    with pytest.raises(StoreUnavailable):
        await recording
    assert not stand.inserted


async def test_what_cannot_be_read_is_kept_with_its_fault_and_the_rest_is_recorded() -> None:
    story = whole_call()
    good = deliveries(story)
    junk = [
        Delivery(good[0].subject, b"{not json", 101, 5),
        Delivery(good[0].subject, good[0].data.replace(b'"v":1', b'"v":9'), 102, 5),
        Delivery(f"call.{story.ref.tenant}.{story.ref.call}.no.such.event", b"{}", 103, 5),
        Delivery(good[0].subject, b"\xff\xfe", 104, 5),
        Delivery(f"call.other-tenant.{story.ref.call}.call.started", good[0].data, 105, 5),
    ]
    stand = Stand()
    await stand.recorder.record([*junk[:2], *good, *junk[2:]])
    assert stand.written[EVENT_LOG] == len(good)
    assert stand.written[REJECTED_LOG] == len(junk)
    assert [error.code for error in stand.rejected] == [
        ErrorCode.BAD_MESSAGE,
        ErrorCode.UNKNOWN_VERSION,
        ErrorCode.BAD_SUBJECT,
        ErrorCode.BAD_MESSAGE,
        ErrorCode.BAD_MESSAGE,
    ]


async def test_an_event_that_the_store_refuses_is_found_and_set_aside(store: ReportStore) -> None:
    story = whole_call()
    good = deliveries(story)
    other = deliveries(whole_call(call_ref(1)))
    too_large = next(one for one in other if one.subject.endswith("reply.completed"))
    bad = Delivery(too_large.subject, too_large.data.replace(b'"reply":1,', b'"reply":99999999999,'), 500, 7)
    assert bad.data != too_large.data
    stand = Stand(store=store)
    await stand.recorder.record([*good[:9], bad, *good[9:]])
    told = f"WHERE call = '{story.ref.call}'"
    assert ask(store, f"SELECT count() AS n FROM events {told}") == [{"n": 27}]
    assert ask(store, f"SELECT turns, replies FROM calls {told}") == [{"turns": 2, "replies": 3}]
    [row] = ask(store, "SELECT sequence, code, error FROM rejected_events")
    assert (row["sequence"], row["code"]) == (500, "bad_message")
    assert "reply_facts takes no such row" in row["error"]
    assert [type(error) for error in stand.rejected] == [RowsRefused]
