"""What REST asks of the record, on a real store."""

from __future__ import annotations

import pytest

from analytics_service import reports
from analytics_service.errors import UnknownCall
from analytics_service.ports import ReportStore
from contracts.messages import CallRecords, GetTranscript, ListCalls, Transcript, TranscriptLine
from tests.unit.analytics_service.store_suite import insert_events
from tests.unit.analytics_service.stories import TENANT, CallStory, call_ref, whole_call


def calls(store: ReportStore, **asked: object) -> CallRecords:
    question = ListCalls.model_validate(asked)
    asking = reports.calls_asked(question)
    return reports.calls_found(question, store.query(asking.sql, asking.max_rows, asking.parameters))


def transcript(store: ReportStore, **asked: object) -> Transcript:
    question = GetTranscript.model_validate(asked)
    answers = [
        store.query(one.sql, one.max_rows, one.parameters)
        for one in (reports.call_asked(question), reports.lines_asked(question))
    ]
    return reports.lines_found(question, *answers)


@pytest.fixture
def told(store: ReportStore) -> ReportStore:
    """Three whole calls of one tenant, one that goes on, and one of another tenant."""
    for number in range(3):
        insert_events(store, whole_call(call_ref(number)).events)
    ongoing = CallStory(call_ref(3))
    ongoing.start()
    insert_events(store, ongoing.events)
    insert_events(store, whole_call(call_ref(4, "other")).events)
    return store


def test_a_call_is_told_whole(told: ReportStore) -> None:
    (call,) = calls(told, tenant=TENANT, call=call_ref(0).call).items
    assert (call.outcome, call.turns, call.replies, call.interruptions) == ("completed", 2, 3, 1)
    assert call.ended_us is not None
    assert call.duration_ms == (call.ended_us - call.started_us) / 1000
    assert call.mean_voice_to_voice_ms == pytest.approx(512.5)
    assert (call.cost_micros, call.currency, call.billed_s) == (28_500, "USD", 19)


def test_pages_go_from_the_newest_to_the_oldest(told: ReportStore) -> None:
    first = calls(told, tenant=TENANT, limit=3)
    assert [one.call for one in first.items] == [call_ref(at).call for at in (3, 2, 1)]
    last = calls(told, tenant=TENANT, limit=3, after=first.next)
    assert [one.call for one in last.items] == [call_ref(0).call]
    assert last.next is None


def test_filters_narrow_the_calls(told: ReportStore) -> None:
    assert len(calls(told).items) == 5
    assert [one.outcome for one in calls(told, tenant=TENANT, over=False).items] == ["active"]
    assert len(calls(told, tenant=TENANT, over=True).items) == 3
    assert calls(told, outcome="dropped").items == ()
    assert len(calls(told, number="+15550100").items) == 5
    assert calls(told, number="+15550101").items == ()
    assert calls(told, tenant=TENANT, call=call_ref(4, "other").call).items == ()


def test_a_transcript_is_read_in_order_and_by_pages(told: ReportStore) -> None:
    ref = call_ref(0)
    whole = transcript(told, tenant=TENANT, call=ref.call)
    assert [(line.speaker, line.text_pii) for line in whole.items] == [
        ("agent", "Good morning."),
        ("caller", "When are you open?"),
        ("agent", "From nine to one. Not on Sunday."),
        ("caller", "What does it cost?"),
        ("agent", "Ninety dollars."),
    ]
    seen: list[TranscriptLine] = []
    after = None
    while True:
        page = transcript(told, tenant=TENANT, call=ref.call, limit=2, after=after)
        seen += page.items
        if (after := page.next) is None:
            break
    assert tuple(seen) == whole.items


def test_a_call_of_another_tenant_is_as_unknown_as_one_that_never_was(told: ReportStore) -> None:
    theirs, never = call_ref(4, "other").call, call_ref(9).call
    said = []
    for call in (theirs, never):
        with pytest.raises(UnknownCall) as unknown:
            transcript(told, tenant=TENANT, call=call)
        said.append(str(unknown.value).replace(call, ""))
    assert said[0] == said[1]
    assert transcript(told, call=theirs).items


def test_a_call_in_which_nothing_was_said_yet_has_an_empty_transcript(told: ReportStore) -> None:
    assert transcript(told, tenant=TENANT, call=call_ref(3).call) == Transcript()
